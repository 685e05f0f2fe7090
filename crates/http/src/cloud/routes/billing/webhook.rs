//! What the payment service tells.

use actix_web::http::StatusCode;
use togglebox_billing::{ReceiveError, Received};

use super::super::super::billing::failure::receive;
use super::super::super::billing::schema::StripeEvent;
use super::super::super::billing::view::ReceiptView;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::reply::Reply;
use crate::route::{Access, Route, RouteClass, handler};

/// Several times the largest event.
const MOST_BYTES: usize = 1024 * 1024;

const SIGNATURE: &str = "stripe-signature";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/v1/webhooks/stripe", "receiveStripeEvent", Access::Open, handler!(take_in))
            .class(RouteClass::Webhook)
            .about(
                "Takes an event of Stripe's in, with its signature in `Stripe-Signature`; what was not kept is to be sent again",
            )
            .uncached()
            .takes_bytes::<StripeEvent>(MOST_BYTES)
            .bare::<ReceiptView>()
            .errors(&[404]),
    ]
}

async fn take_in(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    let signature = call.headers().get(SIGNATURE).and_then(|value| value.to_str().ok());
    let body = call.raw.as_ref().map_or(&[][..], |raw| raw.bytes());
    match desk.billing.receive(signature, body).await {
        Ok(received) => {
            if received == Received::New {
                desk.wake();
            }
            let receipt = serde_json::to_vec(&ReceiptView { received: true }).map_err(|_| ApiError::internal())?;
            Ok(Reply::json(StatusCode::OK, receipt))
        }
        Err(error) => {
            // Whoever guesses is limited; what comes with a good signature is not, wherever it comes from.
            if matches!(error, ReceiveError::Signature(_))
                && let Some(limits) = &call.api.limits
            {
                let subject = limits.anonymous(call.tenant, RouteClass::Webhook, &call.request);
                let (passed, told) = limits.pass(RouteClass::Webhook, &subject).await;
                passed.map_err(|denied| denied.telling(told))?;
            }
            Err(receive(error))
        }
    }
}
