//! Random operations, as numbers: each has a meaning in every state of every shop, so that a failing run can be
//! shortened.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{
    shapes::{Seed, pasted, rules, seed},
    spec::Rule,
};

#[derive(Debug, Clone)]
pub enum Op {
    /// A new order of (SKU, quantity) lines.
    Order {
        lines: Vec<(usize, i64)>,
        is_web: bool,
        longitude: Option<i32>,
    },
    /// The latest order once more, with other lines.
    SameOrder,
    Count {
        place: usize,
        sku: usize,
        quantity: i64,
    },
    Limit {
        place: usize,
        max_quota: Option<i64>,
    },
    /// Texts of a location by REST.
    Words {
        place: usize,
        text: String,
    },
    Command(Command),
    Transfer(TransferOp),
    Install(Vec<Edit>),
}

#[derive(Debug, Clone)]
pub struct Command {
    pub package: usize,
    pub naming: Naming,
    /// Which transition: one that starts at the package's state, or any.
    pub transition: usize,
    pub fits: bool,
    pub input: Input,
    pub user: &'static str,
    pub dry_run: bool,
    /// Sent with a key, and then repeated.
    pub twice: bool,
}

/// A command on a transfer.
#[derive(Debug, Clone)]
pub struct TransferOp {
    pub transfer: usize,
    /// Which transition: one that starts at the transfer's state, or any.
    pub leg: usize,
    pub fits: bool,
    pub naming: Naming,
    pub input: Input,
    pub user: &'static str,
    pub dry_run: bool,
    /// Sent with a key, and then repeated.
    pub twice: bool,
}

#[derive(Debug, Clone, Copy)]
pub enum Naming {
    Id,
    Slug,
    Both,
    /// The slug of another transition.
    Mismatch,
    UnknownId,
    UnknownSlug,
    Neither,
    /// No such package.
    Stranger,
}

/// Numbers for the parameters, whatever the command.
#[derive(Debug, Clone)]
pub struct Input {
    pub flaw: Option<usize>,
    pub items: Vec<usize>,
    pub flag: bool,
}

#[derive(Debug, Clone)]
pub enum Edit {
    Occupies(usize, Option<bool>),
    Add(Seed),
    Drop(usize),
    Limit(usize, Option<i64>),
    Priority(usize, i32),
    Rules(usize, Vec<Rule>),
    DefaultLocation(usize, usize),
}

pub const SKUS: usize = 3;

pub fn sku(at: usize) -> String {
    format!("SKU-{}", at % SKUS)
}

fn input() -> impl Strategy<Value = Input> {
    (option::weighted(0.12, 0..8_usize), vec(0..16_usize, 1..5), any::<bool>()).prop_map(|(flaw, items, flag)| Input {
        flaw,
        items,
        flag,
    })
}

fn user() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("admin"), 2 => Just("ops"), 1 => Just("kadikoy")]
}

fn transfer_op() -> impl Strategy<Value = TransferOp> {
    let rest = (proptest::bool::weighted(0.95), input(), user(), proptest::bool::weighted(0.08));
    (
        0..64_usize,
        0..64_usize,
        select(vec![Naming::Id, Naming::Slug, Naming::Both]),
        rest,
        proptest::bool::weighted(0.1),
    )
        .prop_map(|(transfer, leg, naming, (fits, input, user, dry_run), twice)| TransferOp {
            transfer,
            leg,
            fits,
            naming,
            input,
            user,
            dry_run,
            twice: twice && !dry_run,
        })
}

fn command() -> impl Strategy<Value = Command> {
    use Naming::{Both, Id, Mismatch, Neither, Slug, Stranger, UnknownId, UnknownSlug};
    let naming = prop_oneof![
        12 => select(vec![Id, Slug, Both]),
        1 => select(vec![Mismatch, UnknownId, UnknownSlug, Neither, Stranger]),
    ];
    let rest = (proptest::bool::weighted(0.9), input(), user(), proptest::bool::weighted(0.08));
    (0..64_usize, naming, 0..64_usize, rest, proptest::bool::weighted(0.1)).prop_map(
        |(package, naming, transition, (fits, input, user, dry_run), twice)| Command {
            package,
            naming,
            transition,
            fits,
            input,
            user,
            dry_run,
            twice: twice && !dry_run,
        },
    )
}

fn edit() -> impl Strategy<Value = Edit> {
    let limit = || option::of(0..5_i64);
    prop_oneof![
        3 => (0..32_usize, option::of(any::<bool>())).prop_map(|(at, occupies)| Edit::Occupies(at, occupies)),
        2 => seed().prop_map(Edit::Add),
        2 => (0..32_usize).prop_map(Edit::Drop),
        1 => (0..8_usize, limit()).prop_map(|(at, limit)| Edit::Limit(at, limit)),
        1 => (0..8_usize, 1..4_i32).prop_map(|(at, priority)| Edit::Priority(at, priority)),
        1 => (0..2_usize, rules()).prop_map(|(at, rules)| Edit::Rules(at, rules)),
        1 => (0..2_usize, 0..8_usize).prop_map(|(at, place)| Edit::DefaultLocation(at, place)),
    ]
}

fn order() -> impl Strategy<Value = Op> {
    let lines = vec((0..SKUS, prop_oneof![3 => 1..3_i64, 1 => 3..6_i64]), 1..=4);
    (lines, any::<bool>(), option::of(0..5_i32)).prop_map(|(lines, is_web, longitude)| Op::Order {
        lines,
        is_web,
        longitude,
    })
}

fn count() -> impl Strategy<Value = Op> {
    (0..8_usize, 0..SKUS, 0..12_i64).prop_map(|(place, sku, quantity)| Op::Count { place, sku, quantity })
}

/// Some stock first, then anything.
pub fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    let limit = (0..8_usize, option::of(0..6_i64)).prop_map(|(place, max_quota)| Op::Limit { place, max_quota });
    let op = prop_oneof![
        5 => order(),
        1 => Just(Op::SameOrder),
        3 => count(),
        1 => limit,
        1 => (0..8_usize, pasted()).prop_map(|(place, text)| Op::Words { place, text }),
        16 => command().prop_map(Op::Command),
        10 => transfer_op().prop_map(Op::Transfer),
        1 => vec(edit(), 1..4).prop_map(Op::Install),
    ];
    (vec(count(), 4..10), vec(order(), 1..4), vec(op, 1..=most))
        .prop_map(|(first, second, rest)| first.into_iter().chain(second).chain(rest).collect())
}
