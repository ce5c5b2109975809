use super::*;

fn balance(figures: [u64; 5]) -> Balance {
    let [
        allocations,
        allocated_bytes,
        live_objects,
        live_bytes,
        peak_bytes,
    ] = figures;
    Balance {
        allocations,
        allocated_bytes,
        live_objects,
        live_bytes,
        peak_bytes,
        lost: 0,
    }
}

#[test]
fn what_is_charged_is_told_and_the_most_at_once() {
    let (accounts, arena) = (Accounts::new(), Arena::new(1 << 22));
    let id = accounts.open(NONE, &arena).unwrap();
    accounts.charge(id, 100);
    accounts.charge(id, 20);
    accounts.credit(id, 100);
    accounts.charge(id, 50);
    accounts.lose(id);
    let expected = Balance {
        lost: 1,
        ..balance([3, 170, 2, 70, 120])
    };
    assert_eq!(accounts.balance(id), expected);
    assert_eq!(accounts.balance(NONE), Balance::default());
    accounts.charge(NONE, 1);
}

#[test]
fn an_account_is_used_again_once_nothing_of_it_is_left() {
    let (accounts, arena) = (Accounts::new(), Arena::new(1 << 22));
    let first = accounts.open(NONE, &arena).unwrap();
    accounts.charge(first, 8);
    accounts.join(first);
    accounts.leave(first);
    assert_ne!(accounts.open(NONE, &arena), Some(first), "one still works");
    accounts.leave(first);
    assert_ne!(accounts.open(NONE, &arena), Some(first), "a block is left");
    accounts.credit(first, 8);
    assert_eq!(accounts.open(NONE, &arena), Some(first));
    assert_eq!(accounts.balance(first), Balance::default());
}

#[test]
fn what_is_inside_counts_outside_too() {
    let (accounts, arena) = (Accounts::new(), Arena::new(1 << 22));
    let outer = accounts.open(NONE, &arena).unwrap();
    let inner = accounts.open(outer, &arena).unwrap();
    accounts.charge(outer, 1);
    accounts.charge(inner, 10);
    assert_eq!(accounts.balance(inner), balance([1, 10, 1, 10, 10]));
    assert_eq!(accounts.balance(outer), balance([2, 11, 2, 11, 11]));
    assert!(accounts.is_within(inner, outer) && accounts.is_within(outer, outer));
    assert!(!accounts.is_within(outer, inner) && !accounts.is_within(NONE, outer));

    // Its stacks are still the outer one's.
    accounts.leave(inner);
    accounts.credit(inner, 10);
    assert_eq!(accounts.balance(outer), balance([2, 11, 1, 1, 11]));
    assert_ne!(accounts.open(outer, &arena), Some(inner));
    // One that outlives its outer one keeps it from being used again.
    let late = accounts.open(outer, &arena).unwrap();
    accounts.credit(outer, 1);
    accounts.leave(outer);
    assert!(accounts.open(NONE, &arena).is_some_and(|id| id > late));
}

#[test]
fn numbers_lead_to_accounts_of_their_own_until_memory_ends() {
    let (accounts, arena) = (Accounts::new(), Arena::new(1 << 20));
    let opened: Vec<u32> = std::iter::from_fn(|| accounts.open(NONE, &arena))
        .take(1000)
        .collect();
    assert_eq!(opened, (1..=1000).collect::<Vec<u32>>());
    opened.iter().for_each(|&id| accounts.charge(id, id.into()));
    assert!(
        opened
            .iter()
            .all(|&id| accounts.balance(id).live_bytes == u64::from(id))
    );
    assert_eq!(
        accounts.open(NONE, &Arena::new(0)).map(|id| id > 1000),
        Some(true)
    );
    let none = Accounts::new();
    assert_eq!(none.open(NONE, &Arena::new(0)), None);
    assert!(none.get(1).is_none() && none.get(u32::MAX).is_none());
}
