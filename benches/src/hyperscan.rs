//! Debian's hyperscan, opened while the bench runs: nothing is linked to it, and a machine without it builds the same.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::ptr::{null, null_mut};

use anyhow::{Context as _, Result, bail};
use libloading::Library;

/// Since 5.0 these do not change: `hs_compile.h`, `hs_runtime.h`.
const NAME: &str = "libhs.so.5";
/// Without `UCP`, with which it takes no `\b`: word bytes and the like are those of ASCII.
const UTF8: c_uint = 32;
const BLOCK: c_uint = 1;

type Compile = unsafe extern "C" fn(
    *const *const c_char,
    *const c_uint,
    *const c_uint,
    c_uint,
    c_uint,
    *const c_void,
    *mut *mut c_void,
    *mut *mut Failure,
) -> c_int;
type AllocScratch = unsafe extern "C" fn(*const c_void, *mut *mut c_void) -> c_int;
type OnMatch = extern "C" fn(c_uint, c_ulonglong, c_ulonglong, c_uint, *mut c_void) -> c_int;
type Scan = unsafe extern "C" fn(
    *const c_void,
    *const c_char,
    c_uint,
    c_uint,
    *mut c_void,
    Option<OnMatch>,
    *mut c_void,
) -> c_int;
type Free = unsafe extern "C" fn(*mut c_void) -> c_int;
type Version = unsafe extern "C" fn() -> *const c_char;

#[repr(C)]
struct Failure {
    message: *const c_char,
    expression: c_int,
}

/// Expressions compiled into one database.
#[derive(Debug)]
pub struct Hyperscan {
    library: Library,
    scan: Scan,
    database: *mut c_void,
    scratch: *mut c_void,
}

impl Hyperscan {
    /// `None` where the library is not installed (Debian: libhyperscan5). Only where matches end is asked: with where they begin
    /// (`SOM_LEFTMOST`) it refuses expressions with long bounds as too large.
    ///
    /// # Errors
    ///
    /// An expression that it does not take, or a library without the functions of version 5.
    pub fn of(expressions: &[&str]) -> Result<Option<Self>> {
        // SAFETY: hyperscan's initialisers only look at the processor.
        let Ok(library) = (unsafe { Library::new(NAME) }) else { return Ok(None) };
        // SAFETY: the types are those of the headers of version 5, which the file's name says.
        let (compile, alloc_scratch, scan) = unsafe {
            (
                *library.get::<Compile>(b"hs_compile_multi\0")?,
                *library.get::<AllocScratch>(b"hs_alloc_scratch\0")?,
                *library.get::<Scan>(b"hs_scan\0")?,
            )
        };
        let texts: Vec<CString> =
            expressions.iter().map(|it| CString::new(*it)).collect::<Result<_, _>>()?;
        let pointers: Vec<*const c_char> = texts.iter().map(|it| it.as_ptr()).collect();
        // In UTF-8 mode a bounded repeat of ASCII classes is too large for it, so only those that need the mode have it.
        let utf8 = |it: &&str| if it.contains("\\p") || !it.is_ascii() { UTF8 } else { 0 };
        let flags: Vec<c_uint> = expressions.iter().map(utf8).collect();
        let ids: Vec<c_uint> = (0..).take(expressions.len()).collect();
        let mut this = Self { library, scan, database: null_mut(), scratch: null_mut() };
        let mut failure: *mut Failure = null_mut();
        // SAFETY: the three lists are of the length that is given; a null platform means this machine.
        let code = unsafe {
            compile(
                pointers.as_ptr(),
                flags.as_ptr(),
                ids.as_ptr(),
                expressions.len() as c_uint,
                BLOCK,
                null(),
                &raw mut this.database,
                &raw mut failure,
            )
        };
        if code != 0 {
            // SAFETY: after a failure of this kind the library hands out one record and a text in it; both stay until the end.
            let failure = unsafe { failure.as_ref() }.context("hyperscan failed without a word")?;
            // SAFETY: as above.
            let message = unsafe { CStr::from_ptr(failure.message) };
            bail!("expression {}: {}", failure.expression, message.to_string_lossy());
        }
        // SAFETY: the database is whole.
        let code = unsafe { alloc_scratch(this.database, &raw mut this.scratch) };
        anyhow::ensure!(code == 0, "hyperscan has no scratch space: {code}");
        Ok(Some(this))
    }

    /// Calls with the number of the expression for every match, and for every end that one has.
    pub fn ends(&self, text: &[u8], mut on: impl FnMut(usize)) {
        extern "C" fn one<F: FnMut(usize)>(
            id: c_uint,
            _: c_ulonglong,
            _: c_ulonglong,
            _: c_uint,
            on: *mut c_void,
        ) -> c_int {
            // SAFETY: it is the function below, which nothing else has meanwhile.
            unsafe { (*on.cast::<F>())(id as usize) };
            0
        }
        fn of<F: FnMut(usize)>(_: &F) -> OnMatch {
            one::<F>
        }
        // SAFETY: database and scratch belong together; the text is of the length that is given.
        unsafe {
            (self.scan)(
                self.database,
                text.as_ptr().cast(),
                text.len() as c_uint,
                0,
                self.scratch,
                Some(of(&on)),
                (&raw mut on).cast(),
            )
        };
    }

    /// What it calls itself.
    #[must_use]
    pub fn version(&self) -> String {
        // SAFETY: the type is that of the header.
        let version = unsafe { self.library.get::<Version>(b"hs_version\0") };
        version.map_or_else(
            |_| "of no version".into(),
            // SAFETY: it hands out a static text.
            |version| unsafe { CStr::from_ptr(version()) }.to_string_lossy().into_owned(),
        )
    }
}

impl Drop for Hyperscan {
    fn drop(&mut self) {
        for (name, what) in
            [(&b"hs_free_scratch\0"[..], self.scratch), (b"hs_free_database\0", self.database)]
        {
            // SAFETY: the type is that of the headers.
            let free = unsafe { self.library.get::<Free>(name) };
            if let Ok(free) = free {
                // SAFETY: both were handed out by the library, or are null, which it ignores.
                unsafe { free(what) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_which_expression_matches() -> Result<()> {
        let Some(one) = Hyperscan::of(&[r"\bab\b", "c+d"])? else {
            println!("SKIPPED: {NAME} is not installed");
            return Ok(());
        };
        let mut found = Vec::new();
        one.ends(b"ab abc ab ccd", |nth| found.push(nth));
        assert_eq!(found, [0, 0, 1]);
        assert!(one.version().starts_with("5."));
        assert!(Hyperscan::of(&["(unclosed"]).is_err());
        Ok(())
    }
}
