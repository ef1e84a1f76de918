//! Counts that programs keep in a hash map, told as what was added since the last look.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::io;
use std::mem;
use std::os::fd::AsRawFd as _;
use std::ptr;
use std::time::Duration;

use gadget_core::{SignalError, Timestamp};
use libbpf_rs::libbpf_sys::bpf_map_lookup_batch;
use libbpf_rs::{MapCore, MapType};

use super::record::Record;

/// What counted nothing for this long is taken from the map, to make room.
const QUIET: Duration = Duration::from_secs(60);

/// Numbers that only grow while their entry lives.
pub(super) trait Counts: Record {
    /// What came since `before`; `None` if a number is smaller, as after an entry was made anew.
    fn since(&self, before: &Self) -> Option<Self>;
    /// True if nothing was counted.
    fn is_none(&self) -> bool;
}

/// Reads one hash map of counts, and keeps it from filling up with those who are gone.
pub(super) struct Tally<K, V> {
    provider: &'static str,
    keys: Vec<K>,
    values: Vec<V>,
    told: HashMap<K, (V, Timestamp)>,
}

impl<K: Record + Eq + Hash, V: Counts> Tally<K, V> {
    pub(super) fn of(map: &dyn MapCore, provider: &'static str) -> Self {
        let most = map.max_entries() as usize;
        // Of the map's own size, so that one look holds it whole, and of its own types.
        assert_eq!(map.map_type(), MapType::Hash, "{provider} tallies a hash map");
        assert_eq!(map.key_size() as usize, mem::size_of::<K>(), "keys of {provider}");
        assert_eq!(map.value_size() as usize, mem::size_of::<V>(), "counts of {provider}");
        let (keys, values) = (Vec::with_capacity(most), Vec::with_capacity(most));
        Self { provider, keys, values, told: HashMap::new() }
    }

    /// Gives `f` each key that counted something since the last look, with what it was.
    pub(super) fn read(
        &mut self,
        map: &dyn MapCore,
        now: Timestamp,
        mut f: impl FnMut(&K, &V),
    ) -> Result<(), SignalError> {
        self.look(map)?;
        for (key, value) in self.keys.iter().zip(&self.values) {
            let added = match self.told.entry(*key) {
                Entry::Vacant(entry) => {
                    entry.insert((*value, now));
                    *value
                }
                Entry::Occupied(mut entry) => {
                    let (before, changed) = entry.get_mut();
                    let added = value.since(before).unwrap_or(*value);
                    *before = *value;
                    if !added.is_none() {
                        *changed = now;
                    } else if now.since(*changed) >= QUIET {
                        entry.remove();
                        // Whoever counts in this very moment is not told: once in a minute of quiet.
                        let _ = map.delete(bytes_of(key));
                        continue;
                    }
                    added
                }
            };
            if !added.is_none() {
                f(key, &added);
            }
        }
        Ok(())
    }

    /// Fills `keys` and `values`.
    fn look(&mut self, map: &dyn MapCore) -> Result<(), SignalError> {
        self.keys.clear();
        self.values.clear();
        let (mut batch, mut count) = (0_u64, self.keys.capacity().min(self.values.capacity()));
        let mut read = u32::try_from(count).unwrap_or(u32::MAX);
        count = read as usize;
        // SAFETY: the kernel writes at most `read` keys and values of the sizes that were compared in `of`, for which there is
        // room in both; a batch of a hash map is named by 4 bytes.
        let result = unsafe {
            bpf_map_lookup_batch(
                map.as_fd().as_raw_fd(),
                ptr::null_mut(),
                (&raw mut batch).cast(),
                self.keys.as_mut_ptr().cast(),
                self.values.as_mut_ptr().cast(),
                &raw mut read,
                ptr::null(),
            )
        };
        // It says that there is nothing more; for it asks for all there can be.
        if result < 0 && -result != rustix::io::Errno::NOENT.raw_os_error() {
            let source = io::Error::from_raw_os_error(-result);
            let provider = self.provider;
            return Err(SignalError::Program { attempt: "read the counts of", provider, source });
        }
        let read = (read as usize).min(count);
        // SAFETY: the kernel has written so many of both, any bytes of which are a value.
        unsafe {
            self.keys.set_len(read);
            self.values.set_len(read);
        }
        Ok(())
    }
}

/// A record as the kernel takes it.
fn bytes_of<R: Record>(record: &R) -> &[u8] {
    // SAFETY: a record has no padding, so all its bytes are there.
    unsafe { std::slice::from_raw_parts(ptr::from_ref(record).cast(), mem::size_of::<R>()) }
}

#[cfg(test)]
mod tests {
    use libbpf_rs::{MapFlags, MapHandle, libbpf_sys};

    use super::*;

    impl Counts for u64 {
        fn since(&self, before: &Self) -> Option<Self> {
            self.checked_sub(*before)
        }

        fn is_none(&self) -> bool {
            *self == 0
        }
    }

    fn read(tally: &mut Tally<u32, u64>, map: &MapHandle, at: u64) -> Vec<(u32, u64)> {
        let mut told = Vec::new();
        tally.read(map, Timestamp::from_secs(at), |key, added| told.push((*key, *added))).unwrap();
        told.sort_unstable();
        told
    }

    #[test]
    fn counts_are_told_once_and_the_quiet_ones_leave_the_map() {
        let opts = libbpf_sys::bpf_map_create_opts {
            sz: mem::size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
            ..Default::default()
        };
        let map = match MapHandle::create(MapType::Hash, Some("tally"), 4, 8, 64, &opts) {
            Ok(map) => map,
            Err(error) => {
                println!("SKIPPED: no BPF map can be made here: {error}");
                return;
            }
        };
        let count = |key: u32, value: u64| {
            map.update(&key.to_ne_bytes(), &value.to_ne_bytes(), MapFlags::ANY).unwrap();
        };
        let mut tally = Tally::of(&map, "tally");
        assert_eq!(read(&mut tally, &map, 0), []);
        (0..64).for_each(|key| count(key, 1 + u64::from(key)));
        assert_eq!(read(&mut tally, &map, 1).len(), 64, "a full map is read whole");
        count(7, 10);
        count(9, 3);
        assert_eq!(read(&mut tally, &map, 30), [(7, 2), (9, 3)], "9 was begun anew");
        assert_eq!(read(&mut tally, &map, 61), []);
        assert_eq!(map.keys().count(), 2, "who was quiet for a minute is gone");
        count(1, 5);
        assert_eq!(read(&mut tally, &map, 62), [(1, 5)]);
    }
}
