//! Which allocator is below the wrapper.

/// Told by the name of its type, or of a type around it that names it, such as
/// `Limit<Jemalloc>`. What is hidden in a type of another name is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Below {
    Other = 0,
    /// `std`'s: the C library's, on Unix.
    System = 1,
    Jemalloc = 2,
    Mimalloc = 3,
}

impl Below {
    const ALL: [(&'static str, Self); 3] = [
        ("tikv_jemallocator::Jemalloc", Self::Jemalloc),
        ("mimalloc::MiMalloc", Self::Mimalloc),
        ("std::alloc::System", Self::System),
    ];

    pub(crate) fn of_type(name: &str) -> Self {
        let found = Self::ALL.into_iter().find(|(part, _)| name.contains(part));
        found.map_or(Self::Other, |(_, below)| below)
    }

    #[cfg(not(loom))]
    pub(crate) fn from_u32(number: u32) -> Self {
        let found = Self::ALL
            .into_iter()
            .find(|&(_, below)| below as u32 == number);
        found.map_or(Self::Other, |(_, below)| below)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::any::type_name;

    #[test]
    fn the_types_name_tells() {
        struct Limit<A>(A);
        let of = |name| Below::of_type(name);
        assert_eq!(of(type_name::<std::alloc::System>()), Below::System);
        assert_eq!(of(type_name::<Limit<std::alloc::System>>()), Below::System);
        assert_eq!(of("tikv_jemallocator::Jemalloc"), Below::Jemalloc);
        assert_eq!(of("stoolap_jemalloc::Jemalloc"), Below::Other);
        for (_, below) in Below::ALL {
            assert_eq!(Below::from_u32(below as u32), below);
        }
        assert_eq!(Below::from_u32(Below::Other as u32), Below::Other);
    }
}
