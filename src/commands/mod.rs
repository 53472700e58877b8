//! The heart: what a command is, and the list of them.
//!
//! ```text
//! Request ── dispatch ──▶ load ─▶ resolve ─▶ decide ─▶ consequences ─▶ apply ─▶ commit ─▶ answer
//!                        facts   workflow   the file   pure            SQL
//! ```
//!
//! A command is a pure decision: it sees [`Context`] and returns [`Changes`] or a [`Refusal`]. It holds no connection,
//! reads no clock and sends nothing. What follows from a change of state or place (quota, stock, reservations, the log,
//! events) is derived in [`consequences`], so no command can forget it.
//!
//! To add one: a file under `package/` that implements [`Command`], and a line in [`COMMANDS`]. Transfers have commands
//! of their own ([`transfer`]).

pub mod apply;
pub mod background;
pub mod changes;
pub mod common;
pub mod consequences;
pub mod dispatch;
pub mod effects;
pub mod facts;
pub mod idempotency;
pub mod input;
pub mod package;
pub mod records;
pub mod traffic;
pub mod transfer;

use std::fmt;

use serde_json::Value;

use crate::{
    catalog::Catalog,
    error::{MISSING_STATE, Refusal},
    installation::check::CommandKind,
    planning::Supply,
    workflow::Transition,
};

pub use background::{Background, Lookup};
pub use changes::{Answer, Changes, Record, ShipmentChange, Successor, Taking};
pub use facts::{Documents, ItemFacts, PackageFacts, ShipmentFacts};
pub use input::Input;
pub use transfer::{TRANSFER_COMMANDS, TransferCommand};

/// Everything a decision may look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The installation as of this transaction.
    pub catalog: &'a Catalog,
    /// The transition that was resolved: it starts at the package's state.
    pub transition: &'a Transition,
    /// The package, locked.
    pub package: &'a PackageFacts,
    /// `input_parameters`.
    pub input: Input<'a>,
    /// Where its items could come from; only for commands that [plan](Command::plans).
    pub supply: Option<&'a Supply>,
    /// What the command [looks up](Command::looks_up).
    pub background: &'a Background,
}

impl Context<'_> {
    /// The id of a package state that the command leads to by itself.
    ///
    /// # Errors
    /// 406 where the installation lacks it, which its check prevents.
    pub fn state_id(&self, slug: &str) -> Result<i64, Refusal> {
        self.catalog.workflow.state_by_slug("package", slug).map(|state| state.id).map_err(|_| {
            Refusal::rule(
                MISSING_STATE,
                format!("The installation has no package state {slug}; ask operations to add it."),
            )
        })
    }
}

/// A parameter of a command, for the documentation.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its key in `input_parameters`.
    pub name: &'static str,
    /// JSON Schema of its value, as text.
    pub schema: &'static str,
    /// Whether the command refuses without it.
    pub required: bool,
    /// What it is for.
    pub summary: &'static str,
}

/// A kind of command. Where it applies is a matter of the installation's transitions.
pub trait Command: fmt::Debug + Send + Sync {
    /// `UPPER_SNAKE`, as in an installation and in the `command` key of a listed transition.
    fn identifier(&self) -> &'static str;

    /// Other names an installation may use for it.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// One sentence for the documentation.
    fn summary(&self) -> &'static str;

    /// Its own parameters, besides [`input::COMMON`].
    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    /// Names of the common parameters it accepts.
    fn common_parameters(&self) -> &'static [&'static str] {
        &[]
    }

    /// `input_parameters` of an example request.
    fn example(&self) -> Value {
        serde_json::json!({})
    }

    /// Whether it has a second outcome, so that its transitions name an `otherwise` state.
    fn has_otherwise(&self) -> bool {
        false
    }

    /// Whether it may give items a new place: then its [`Context`] has a [`Supply`], and it has a transaction of its own.
    fn plans(&self) -> bool {
        false
    }

    /// Whether it does with this input; another than [`plans`](Self::plans) where it may, and mostly does not.
    fn plans_with(&self, _input: Input<'_>) -> bool {
        self.plans()
    }

    /// What it needs to know beyond its package.
    fn looks_up(&self) -> &'static [Lookup] {
        &[]
    }

    /// Whether it leaves the state as it is: its transitions lead where they start.
    fn stays(&self) -> bool {
        false
    }

    /// What changes, or why not.
    ///
    /// # Errors
    /// 400 for a parameter, 406 for a business rule.
    fn decide(&self, context: &Context<'_>) -> Result<Changes, Refusal>;
}

/// Every command there is: installations, dispatcher, documentation and tests read this list.
pub static COMMANDS: &[&dyn Command] = &[
    &package::complete_packing::CompletePacking,
    &package::channel_based_complete_packing::ChannelBasedCompletePacking,
    &package::ship_the_package::ShipThePackage,
    &package::ship_the_package_advanced::ShipThePackageAdvanced,
    &package::detected_out_of_stock_item::DetectedOutOfStockItem,
    &package::repack::Repack,
    &package::update_package_shipment_status::UpdatePackageShipmentStatus,
    &package::pkg_state_transition::PkgStateTransition,
    &package::assign_package_items_manually::AssignPackageItemsManually,
    &package::cancel_package::CancelPackage,
    &package::complete_packing_without_shipment::CompletePackingWithoutShipment,
    &package::ship_the_package_basic::ShipThePackageBasic,
    &package::ship_the_package_without_shipment_integration::ShipThePackageWithoutShipmentIntegration,
    &package::detected_out_of_stock_item_advanced::DetectedOutOfStockItemAdvanced,
    &package::refuse_package::RefusePackage,
    &package::package_packed_for_refund::PackagePackedForRefund,
    &package::pkg_deallocate_reservations::PkgDeallocateReservations,
    &package::block_the_package::BlockThePackage,
    &package::unblock_the_package::UnblockThePackage,
    &package::prepare_package::PreparePackage,
    &package::replace_product::ReplaceProduct,
    &package::update_invoice::UpdateInvoice,
    &package::update_shipment_info::UpdateShipmentInfo,
    &package::update_shipment_label::UpdateShipmentLabel,
    &package::ready_for_pickup::ReadyForPickup,
    &package::self_service_package_delivery::SelfServicePackageDelivery,
];

/// A command of whatever entity: what a transition carries out.
#[derive(Debug, Clone, Copy)]
pub enum AnyCommand {
    /// It moves a package.
    Package(&'static dyn Command),
    /// It moves a transfer.
    Transfer(&'static dyn TransferCommand),
}

impl AnyCommand {
    /// `package` or `transfer`.
    #[must_use]
    pub fn entity(self) -> &'static str {
        match self {
            Self::Package(_) => "package",
            Self::Transfer(_) => "transfer",
        }
    }

    /// As [`Command::identifier`].
    #[must_use]
    pub fn identifier(self) -> &'static str {
        match self {
            Self::Package(command) => command.identifier(),
            Self::Transfer(command) => command.identifier(),
        }
    }

    /// As [`Command::aliases`].
    #[must_use]
    pub fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Package(command) => command.aliases(),
            Self::Transfer(_) => &[],
        }
    }

    /// As [`Command::summary`].
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            Self::Package(command) => command.summary(),
            Self::Transfer(command) => command.summary(),
        }
    }

    /// As [`Command::parameters`].
    #[must_use]
    pub fn parameters(self) -> &'static [Parameter] {
        match self {
            Self::Package(command) => command.parameters(),
            Self::Transfer(command) => command.parameters(),
        }
    }

    /// As [`Command::common_parameters`].
    #[must_use]
    pub fn common_parameters(self) -> &'static [&'static str] {
        match self {
            Self::Package(command) => command.common_parameters(),
            Self::Transfer(_) => &[],
        }
    }

    /// As [`Command::example`].
    #[must_use]
    pub fn example(self) -> Value {
        match self {
            Self::Package(command) => command.example(),
            Self::Transfer(command) => command.example(),
        }
    }

    /// As [`Command::plans`].
    #[must_use]
    pub fn plans(self) -> bool {
        match self {
            Self::Package(command) => command.plans(),
            Self::Transfer(command) => command.plans(),
        }
    }

    /// As [`Command::plans_with`].
    #[must_use]
    pub fn plans_with(self, input: Input<'_>) -> bool {
        match self {
            Self::Package(command) => command.plans_with(input),
            Self::Transfer(command) => command.plans(),
        }
    }

    /// As [`Command::looks_up`].
    #[must_use]
    pub fn looks_up(self) -> &'static [Lookup] {
        match self {
            Self::Package(command) => command.looks_up(),
            Self::Transfer(_) => &[],
        }
    }

    fn stays(self) -> bool {
        match self {
            Self::Package(command) => command.stays(),
            Self::Transfer(_) => false,
        }
    }

    fn has_otherwise(self) -> bool {
        match self {
            Self::Package(command) => command.has_otherwise(),
            Self::Transfer(_) => false,
        }
    }
}

/// Every command of every entity.
pub fn all() -> impl Iterator<Item = AnyCommand> {
    let packages = COMMANDS.iter().map(|command| AnyCommand::Package(*command));
    packages.chain(TRANSFER_COMMANDS.iter().map(|command| AnyCommand::Transfer(*command)))
}

/// The command of that identifier or alias.
#[must_use]
pub fn find(identifier: &str) -> Option<AnyCommand> {
    all().find(|command| command.identifier() == identifier || command.aliases().contains(&identifier))
}

/// What the check of an installation needs to know of the commands.
#[must_use]
pub fn kinds() -> Vec<CommandKind> {
    all()
        .map(|command| CommandKind {
            identifier: command.identifier(),
            aliases: command.aliases(),
            entity: command.entity(),
            needs_otherwise: command.has_otherwise(),
            stays: command.stays(),
            common_parameters: command.common_parameters(),
        })
        .collect()
}

/// Finds the input's fault, the common parameters first, then decides.
///
/// # Errors
/// As [`Command::decide`].
pub fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    // The table resolves only a package's own transitions for it.
    let AnyCommand::Package(command) = context.transition.command else { return Err(Refusal::not_allowed()) };
    common::check(context.input, context.package.id, command.common_parameters())?;
    let mut changes = command.decide(context)?;
    common::record(context.input, &context.transition.parameters, command.common_parameters(), &mut changes.record);
    Ok(changes)
}
