//! One conditional write of one item: half of what it costs in a transaction.

use std::error::Error;
use std::fmt;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use togglebox_core::StoreResult;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::error::{Trouble, trouble};
use super::super::item::Item;
use super::super::key::Key;
use super::super::patience::Patience;

/// What came of a change.
#[derive(Debug)]
pub(super) enum Changed {
    /// It was made; what was asked for of the item.
    Made(Option<Item>),
    /// Its condition did not hold: what stands there.
    Not(Option<Item>),
}

/// A mistake of ours: only updates and removals are written alone.
#[derive(Debug, thiserror::Error)]
#[error("not a change of a single item")]
struct NotSingle;

/// An error that is not that a condition failed, once there is no time left.
async fn bear<E, R>(
    operation: &'static str,
    patience: &mut Patience,
    error: SdkError<E, R>,
) -> StoreResult<Option<SdkError<E, R>>>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    if error.code() == Some("ConditionalCheckFailedException") {
        return Ok(Some(error));
    }
    let trouble = trouble(&error);
    tracing::debug!(operation, ?trouble, code = error.code(), "A request failed");
    if !trouble.passes() || !patience.pause(trouble).await {
        return Err(trouble.error(operation, error));
    }
    Ok(None)
}

impl DynamoDb {
    /// Changes attributes of an item on a condition. May be repeated: when an answer gets lost, a change that was made may be told as one
    /// whose condition does not hold.
    pub(super) async fn change(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        action: Action,
        wanted: ReturnValue,
    ) -> StoreResult<Changed> {
        let action = action.build(&self.table).map_err(|error| Trouble::Rejected.error(operation, error))?;
        let TransactWriteItem { update: Some(update), .. } = action else {
            return Err(Trouble::Rejected.error(operation, NotSingle));
        };
        loop {
            let request = self.client.update_item().table_name(&*self.table).set_key(Some(update.key.clone()));
            let request = request
                .update_expression(update.update_expression.clone())
                .set_condition_expression(update.condition_expression.clone())
                .set_expression_attribute_names(update.expression_attribute_names.clone())
                .set_expression_attribute_values(update.expression_attribute_values.clone())
                .return_values(wanted.clone())
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let error = match self.home.run(request.send()).await {
                Ok(Ok(output)) => {
                    self.meter.write(output.consumed_capacity());
                    return Ok(Changed::Made(output.attributes));
                }
                Ok(Err(error)) => error,
                Err(ended) => return Err(Trouble::Unusable.error(operation, ended)),
            };
            let Some(error) = bear(operation, patience, error).await? else { continue };
            if let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
                && failed.item.is_some()
            {
                return Ok(Changed::Not(failed.item.clone()));
            }
            // There is none, or the server keeps it to itself.
            let key = Key::of(&update.key);
            let stands = if let Some(key) = key { self.get(operation, patience, &key).await? } else { None };
            return Ok(Changed::Not(stands));
        }
    }

    /// Removes an item on a condition; says whether it did. May be repeated.
    pub(super) async fn remove_when(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        key: Key,
        when: Condition,
    ) -> StoreResult<bool> {
        let action =
            Action::Delete { key, when }.build(&self.table).map_err(|error| Trouble::Rejected.error(operation, error))?;
        let TransactWriteItem { delete: Some(delete), .. } = action else {
            return Err(Trouble::Rejected.error(operation, NotSingle));
        };
        loop {
            let request = self.client.delete_item().table_name(&*self.table).set_key(Some(delete.key.clone()));
            let request = request
                .set_condition_expression(delete.condition_expression.clone())
                .set_expression_attribute_names(delete.expression_attribute_names.clone())
                .set_expression_attribute_values(delete.expression_attribute_values.clone())
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let error = match self.home.run(request.send()).await {
                Ok(Ok(output)) => {
                    self.meter.write(output.consumed_capacity());
                    return Ok(true);
                }
                Ok(Err(error)) => error,
                Err(ended) => return Err(Trouble::Unusable.error(operation, ended)),
            };
            if bear(operation, patience, error).await?.is_some() {
                return Ok(false);
            }
        }
    }
}
