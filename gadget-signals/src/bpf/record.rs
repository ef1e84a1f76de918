//! Records that programs write and we read, byte for byte as C has them.
#![allow(unsafe_code)]

use std::mem;
use std::slice;

/// A record of plain integers in the order of its C header.
///
/// # Safety
/// The type is `repr(C)`, has no padding and holds only integers and arrays of them, so that any bytes are a value of it.
pub(super) unsafe trait Record: Copy + 'static {
    /// Reads one from the front of `bytes`; `None` if they are too few.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..mem::size_of::<Self>())?;
        // SAFETY: there are as many bytes as the type is large, any of which are a value of it; it need not be aligned.
        Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }

    /// Its bytes, for a program to read and write.
    fn as_bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: it is as long as it is large, borrowed for as long as the bytes are; there is no padding, and any bytes that
        // are written are a value of it.
        unsafe { slice::from_raw_parts_mut((&raw mut *self).cast(), mem::size_of::<Self>()) }
    }
}

// SAFETY: integers.
unsafe impl Record for u32 {}
// SAFETY: integers.
unsafe impl Record for u64 {}

/// Declares a record and, as a test, that the compiled program has it with the same fields in the same places.
macro_rules! record {
    (
        $(#[$meta:meta])*
        $name:ident = $c_name:literal in $object:path { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }
    ) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        pub(super) struct $name { $($(#[$field_meta])* pub(super) $field: $type,)* }

        // The sum of the fields is the whole: no padding.
        const _: () = assert!(0 $(+ ::std::mem::size_of::<$type>())* == ::std::mem::size_of::<$name>());

        #[allow(unsafe_code)]
        // SAFETY: repr(C), without padding by the assertion above; the fields are integers and arrays of them.
        unsafe impl $crate::bpf::record::Record for $name {}

        #[cfg(test)]
        #[allow(non_snake_case)]
        #[test]
        fn $name() {
            let fields = [$((stringify!($field), ::std::mem::offset_of!($name, $field), ::std::mem::size_of::<$type>())),*];
            $crate::bpf::record::layout::compare(&$object, $c_name, ::std::mem::size_of::<$name>(), &fields);
        }
    };
}
pub(super) use record;

#[cfg(test)]
pub(super) mod layout {
    use libbpf_rs::btf::Btf;
    use libbpf_rs::btf::HasSize as _;
    use libbpf_rs::btf::types::MemberAttr;
    use libbpf_rs::btf::types::Struct;

    /// Compares a record with `struct NAME` as the BTF of the compiled object has it.
    pub(in crate::bpf) fn compare(
        object: &[u8],
        name: &str,
        size: usize,
        fields: &[(&str, usize, usize)],
    ) {
        let btf = Btf::from_raw("object", object).unwrap().unwrap();
        let found: Struct<'_> =
            btf.type_by_name(name).unwrap_or_else(|| panic!("no struct {name}"));
        assert_eq!(found.size(), size, "size of struct {name}");
        assert_eq!(found.len(), fields.len(), "number of fields of struct {name}");
        for (member, &(field, offset, _)) in found.iter().zip(fields) {
            assert_eq!(member.name.unwrap(), field, "struct {name}");
            let MemberAttr::Normal { offset: bits } = member.attr else {
                panic!("{field} of struct {name} is a bit field")
            };
            assert_eq!(bits as usize, offset * 8, "{field} of struct {name}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_was_cut_short_is_none() {
        let bytes = 0x0102_0304_0506_0708_u64.to_ne_bytes();
        assert_eq!(u64::from_bytes(&bytes), Some(0x0102_0304_0506_0708));
        assert_eq!(u64::from_bytes(&bytes[..7]), None);
    }
}
