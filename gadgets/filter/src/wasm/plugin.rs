//! One plug-in: compiled once, instantiated for each text.

use wasmtime::{
    Error, ExternType, Global, InstancePre, Linker, Module, Mutability, Store, Trap, ValType,
};

use super::runtime::{Held, Runtime};
use super::ticker::Ticker;
use crate::filter::{Answer, Filter, Reason};
use crate::manifest::Manifest;
use crate::package::{LoadError, Verified};

const MEMORY: &str = "memory";
const INPUT: &str = "gadget_input";
const FILTER: &str = "gadget_filter_v1";

/// A plug-in that was verified and compiled.
///
/// Each text gets an instance of its own, so nothing of one row can be seen, or come out, with another.
pub struct Plugin {
    runtime: Runtime,
    manifest: Manifest,
    instance: InstancePre<Held>,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("manifest", &self.manifest).finish_non_exhaustive()
    }
}

impl Plugin {
    /// Compiles a verified plug-in and instantiates it once, to see that it can be.
    ///
    /// # Errors
    /// [`LoadError::Module`].
    pub fn load(runtime: &Runtime, verified: &Verified) -> Result<Self, LoadError> {
        let refused = |error: &Error| LoadError::Module(format!("{error:#}"));
        let module = Module::from_binary(&runtime.engine, &verified.module)
            .map_err(|error| refused(&error))?;
        check(&module)?;
        let instance = Linker::new(&runtime.engine)
            .instantiate_pre(&module)
            .map_err(|error| refused(&error))?;
        let plugin =
            Self { runtime: runtime.clone(), manifest: verified.manifest().clone(), instance };
        plugin.try_out()?;
        Ok(plugin)
    }

    /// What was signed with it.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn store(&self) -> Store<Held> {
        let limits = &self.runtime.limits;
        let mut store = Store::new(&self.runtime.engine, Held::new(limits));
        store.limiter(|held| held);
        store.set_epoch_deadline(Ticker::epochs(limits.deadline));
        store
    }

    /// Whether it starts, and its input buffer lies in its memory.
    fn try_out(&self) -> Result<(), LoadError> {
        let refused = |reason: &Reason| LoadError::Module(reason.to_string());
        let _ticking = self.runtime.ticker.call();
        let mut store = self.store();
        let started = self.start(&mut store);
        started
            .map_err(|error| refused(&reason(&error, &store)))?
            .input(&mut store)
            .map_err(|it| refused(&it))?;
        Ok(())
    }

    fn start(&self, store: &mut Store<Held>) -> wasmtime::Result<Running> {
        store.set_fuel(self.runtime.limits.fuel)?;
        let instance = self.instance.instantiate(&mut *store)?;
        let missing = |name: &str| Error::msg(format!("it exports no {name}"));
        Ok(Running {
            memory: instance.get_memory(&mut *store, MEMORY).ok_or_else(|| missing(MEMORY))?,
            input: instance.get_global(&mut *store, INPUT).ok_or_else(|| missing(INPUT))?,
            filter: instance.get_typed_func(&mut *store, FILTER)?,
            input_bytes: self.manifest.input_bytes as usize,
        })
    }
}

/// An instance that waits for its text.
struct Running {
    memory: wasmtime::Memory,
    input: Global,
    filter: wasmtime::TypedFunc<(u32, u32, u32), u64>,
    input_bytes: usize,
}

impl Running {
    /// Where its input buffer begins.
    fn input(&self, store: &mut Store<Held>) -> Result<u32, Reason> {
        let at = self.input.get(&mut *store).i32().ok_or(Reason::OutOfBounds)?.cast_unsigned();
        let inside = span(at, self.input_bytes, self.memory.data_size(&*store)).is_some();
        if inside { Ok(at) } else { Err(Reason::OutOfBounds) }
    }
}

/// `at..at + len`, if that lies within `size`.
fn span(at: u32, len: usize, size: usize) -> Option<std::ops::Range<usize>> {
    let at = usize::try_from(at).ok()?;
    let end = at.checked_add(len)?;
    (end <= size).then_some(at..end)
}

/// Nothing is given to a plug-in but its text; it gives three things.
fn check(module: &Module) -> Result<(), LoadError> {
    let refused = |what: String| Err(LoadError::Module(what));
    if let Some(import) = module.imports().next() {
        return refused(format!(
            "it asks for {}.{}, and a plug-in is given nothing",
            import.module(),
            import.name()
        ));
    }
    for (name, fits) in [
        (MEMORY, matches!(module.get_export(MEMORY), Some(ExternType::Memory(_)))),
        (
            INPUT,
            matches!(module.get_export(INPUT), Some(ExternType::Global(it))
            if matches!(it.content(), ValType::I32) && it.mutability() == Mutability::Const),
        ),
        (
            FILTER,
            matches!(module.get_export(FILTER), Some(ExternType::Func(it))
            if it.params().map(|it| it.is_i32()).eq([true; 3]) && it.results().map(|it| it.is_i64()).eq([true])),
        ),
    ] {
        if !fits {
            return refused(format!("it does not export {name} as the interface says"));
        }
    }
    Ok(())
}

fn reason(error: &Error, store: &Store<Held>) -> Reason {
    if store.data().outgrown {
        return Reason::Memory;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Reason::Timeout,
        Some(Trap::OutOfFuel) => Reason::Fuel,
        Some(trap) => Reason::Trap(trap.to_string()),
        None => Reason::Trap(error.to_string()),
    }
}

impl Filter for Plugin {
    fn allows(&self, field: &str) -> bool {
        self.manifest.fields.iter().any(|it| it == field)
    }

    fn apply(&mut self, field: &str, text: &str, out: &mut String) -> Result<Answer, Reason> {
        let index =
            self.manifest.fields.iter().position(|it| it == field).ok_or(Reason::NotAllowed)?;
        let most = self.manifest.input_bytes as usize;
        let (Ok(index), Ok(len)) = (u32::try_from(index), u32::try_from(text.len())) else {
            return Err(Reason::TooLong { bytes: text.len(), most });
        };
        if text.len() > most {
            return Err(Reason::TooLong { bytes: text.len(), most });
        }
        let _ticking = self.runtime.ticker.call();
        let mut store = self.store();
        let running = self.start(&mut store).map_err(|error| reason(&error, &store))?;
        let at = running.input(&mut store)?;
        let memory = running.memory;
        memory.write(&mut store, at as usize, text.as_bytes()).map_err(|_| Reason::OutOfBounds)?;
        let packed = running
            .filter
            .call(&mut store, (index, at, len))
            .map_err(|error| reason(&error, &store))?;
        let (at, len) = ((packed >> 32) as u32, packed as u32 as usize);
        let data = memory.data(&store);
        let answer = &data[span(at, len, data.len()).ok_or(Reason::OutOfBounds)?];
        if answer.len() > text.len() {
            return Err(Reason::Grew);
        }
        if answer == text.as_bytes() {
            return Ok(Answer::Same);
        }
        out.push_str(std::str::from_utf8(answer).map_err(|_| Reason::NotUtf8)?);
        Ok(Answer::Other)
    }
}
