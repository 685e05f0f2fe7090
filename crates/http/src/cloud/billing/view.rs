//! What clients see of money.

mod change;
mod money;
mod operator;
mod sign_up;
mod subscription;

pub(in crate::cloud) use self::change::{ChangePreviewView, ChangedView, CheckoutView, EndingView, InvoiceView, PortalView};
pub(in crate::cloud) use self::operator::{ConflictView, EffectView, EventView, ReceiptView, RevenueView, TaskRunView, TaskView};
pub(in crate::cloud) use self::sign_up::{PendingView, SignUpStatusView};
pub(in crate::cloud) use self::subscription::SubscriptionView;
