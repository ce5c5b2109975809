#![forbid(unsafe_code)]
//! Names for addresses that somebody has from elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Symbols;
use super::symbolize::symbolize;
use crate::module::Module;

/// The function around each address as the linker knows it, or nothing. Of what is
/// loaded now; from symbol tables, so that any number of addresses is soon told.
pub(crate) fn linker_names(modules: &[Arc<Module>], addresses: &[u64]) -> Vec<Option<Arc<str>>> {
    let module_of = |address: &u64| {
        modules.iter().position(|module| {
            let mut segments = module.segments.iter();
            module.is_loaded() && segments.any(|s| (s.start..s.limit).contains(address))
        })
    };
    let mut by_module = BTreeMap::<usize, Vec<u64>>::new();
    for address in addresses {
        if let Some(module) = module_of(address) {
            by_module.entry(module).or_default().push(*address);
        }
    }
    let mut names = BTreeMap::new();
    for (module, mut addresses) in by_module {
        addresses.sort_unstable();
        addresses.dedup();
        let found = symbolize(Some(&modules[module]), &addresses, Symbols::Names);
        for (address, frames) in addresses.into_iter().zip(found.frames) {
            if let Some(frame) = frames.last() {
                let is_mangled = !frame.system_name.is_empty();
                let name = if is_mangled {
                    &frame.system_name
                } else {
                    &frame.name
                };
                names.insert(address, Arc::clone(name));
            }
        }
    }
    addresses
        .iter()
        .map(|address| names.get(address).cloned())
        .collect()
}

#[cfg(all(test, feature = "symbolize", cfi))]
mod tests {
    use super::*;
    use crate::export::testing::{main_program, module};

    #[test]
    fn names_come_in_the_order_of_the_addresses() {
        let here = names_come_in_the_order_of_the_addresses as fn() as usize as u64;
        let modules = [main_program(), module("/no/such/file", 0x5000, 0x6000)];
        let names = linker_names(&modules, &[0x5100, here, 1, here]);
        let name = names[1].as_deref().unwrap();
        assert!(name.starts_with('_'), "{name}");
        assert!(
            name.contains("names_come_in_the_order_of_the_addresses"),
            "{name}"
        );
        assert_eq!(names, [None, names[1].clone(), None, names[1].clone()]);
    }
}
