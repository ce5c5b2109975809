#![forbid(unsafe_code)]
//! Which addresses have a location already: a table of fixed size, whose pages are
//! taken beforehand.

/// Places in the table of locations, a power of two: more than most programs
/// have addresses in their stacks.
const PLACES: usize = 1 << 15;
/// Looked at before an address is given up on.
const PROBES: usize = 16;

/// Addresses that have a location already.
#[derive(Debug)]
pub(super) struct Locations {
    places: Vec<Place>,
    /// Those before are taken.
    first_id: u32,
    last_id: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    address: u64,
    generation: u32,
    id: u32,
}

/// Not of zeros: filling a table with it takes the table's pages.
const EMPTY: Place = Place {
    address: u64::MAX,
    generation: u32::MAX,
    id: u32::MAX,
};

impl Locations {
    pub(super) fn new(taken: u32) -> Self {
        Self {
            places: vec![EMPTY; PLACES],
            first_id: taken,
            last_id: taken,
        }
    }

    pub(super) fn clear(&mut self) {
        self.places.fill(EMPTY);
        self.last_id = self.first_id;
    }

    /// The location of an address, and whether it is a new one.
    pub(super) fn id(&mut self, address: u64, generation: u32) -> (u32, bool) {
        // Fibonacci hashing: the upper bits depend on all.
        let hash = (address ^ u64::from(generation) << 48).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let home = (hash >> (u64::BITS - PLACES.trailing_zeros())) as usize;
        for probe in 0..PROBES {
            let place = &mut self.places[(home + probe) % PLACES];
            if (place.address, place.generation) == (address, generation) {
                return (place.id, false);
            }
            if *place == EMPTY {
                self.last_id += 1;
                *place = Place {
                    address,
                    generation,
                    id: self.last_id,
                };
                return (self.last_id, true);
            }
        }
        self.last_id += 1;
        (self.last_id, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_location_unless_there_is_no_place() {
        let mut locations = Locations::new(4);
        assert_eq!(locations.id(0x1000, 1), (5, true));
        assert_eq!(locations.id(0x1000, 2), (6, true), "of another time");
        assert_eq!(locations.id(0x1000, 1), (5, false));
        for address in 0..2 * PLACES as u64 {
            locations.id(address, 0);
        }
        let (first, is_new) = locations.id(u64::MAX / 2, 0);
        let (again, is_new_again) = locations.id(u64::MAX / 2, 0);
        assert!(
            is_new && is_new_again && again == first + 1,
            "the table is full"
        );
        locations.clear();
        assert_eq!(locations.id(0x1000, 1), (5, true));
    }
}
