//! What the payment service tells, kept before it is acknowledged.

use serde_json::Value;
use togglebox_core::{StoreErrorKind, StoreResult};

use super::{Billing, ReceiveError};
use crate::metrics;
use crate::objects::{Envelope, EventKind};
use crate::records::{EventRecord, Held, lists};
use crate::signature::BadSignature;

/// What became of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It is kept, and somebody will look at it.
    New,
    /// It was there already.
    Seen,
    /// It is kept, and nobody will look at it.
    Ignored,
}

/// The object of an event that is larger than this is not kept: it is asked for when it is needed.
const MOST_DATA: usize = 128 * 1024;

impl Billing {
    /// Takes a webhook in. When this returns, it is committed: it is ours from then on, and may be acknowledged.
    ///
    /// # Errors
    /// [`ReceiveError`]; it is not to be acknowledged then.
    pub async fn receive(&self, signature: Option<&str>, body: &[u8]) -> Result<Received, ReceiveError> {
        let verified = signature
            .ok_or(BadSignature::NoSignature)
            .and_then(|signature| self.settings.verifier.verify(signature, body, self.now()));
        if let Err(error) = verified {
            metrics::webhook("bad-signature");
            return Err(ReceiveError::Signature(error));
        }
        let event: Value = serde_json::from_slice(body).map_err(|_| ReceiveError::NoEvent)?;
        let envelope = Envelope::read(&event).map_err(|_| ReceiveError::NoEvent)?;
        let received = self.take_in(&envelope, event).await?;
        metrics::webhook(match received {
            Received::New => "new",
            Received::Seen => "seen",
            Received::Ignored => "ignored",
        });
        Ok(received)
    }

    /// Keeps an event, wherever it was heard of.
    pub(super) async fn take_in(&self, envelope: &Envelope, mut event: Value) -> StoreResult<Received> {
        let (now, kind) = (self.now(), EventKind::parse(&envelope.kind));
        let livemode = self.ports.provider.livemode();
        let list = match kind {
            _ if envelope.livemode != livemode => {
                metrics::webhook("quarantined");
                tracing::error!(event.id = %envelope.id, livemode, "An event of the other kind of money than our key's was put aside");
                lists::QUARANTINED
            }
            None => lists::IGNORED,
            Some(_) => lists::WAITING,
        };
        let is_wanted = list == lists::WAITING;
        let data = event.get_mut("data").map(Value::take).filter(|_| is_wanted);
        let record = EventRecord {
            kind: envelope.kind.clone(),
            created: envelope.created,
            received: now,
            subject: envelope.subject.id.clone(),
            customer: envelope.subject.customer.clone(),
            api_version: envelope.api_version.clone(),
            livemode: envelope.livemode,
            attempts: 0,
            trouble: None,
            data: data.filter(|data| data.to_string().len() <= MOST_DATA),
        };
        let held = Held::new(&envelope.id, list, now, record).due(is_wanted.then_some(now));
        let write = [held.put()?];
        match self.commit(&write).await {
            Ok(true) if is_wanted => Ok(Received::New),
            Ok(true) => Ok(Received::Ignored),
            Ok(false) => Ok(Received::Seen),
            // Of an outcome that is unknown, what is there tells.
            Err(error) if *error.kind() == StoreErrorKind::Unavailable => match self.held::<EventRecord>(&envelope.id).await? {
                Some(_) => Ok(Received::Seen),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}
