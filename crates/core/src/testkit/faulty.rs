//! A store before which things go wrong.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::{Fault, Faults};
use crate::{AuditFilter, AuditLog, AuditRecord, Page, PageRequest, StoreError, StoreErrorKind, StoreResult, Timestamp};

/// One method of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// As in errors: `flags.create`.
    pub name: &'static str,
    /// Whether a call may change something.
    pub writes: bool,
}

/// A store, or one port of it, with a plan of what goes wrong.
///
/// It implements every port that `S` implements, `S` may be a port itself (`Faulty<dyn AuditLog>`), and clones share the plan. A call
/// that is not to go wrong passes through as it is.
pub struct Faulty<S: ?Sized> {
    faults: Arc<Faults>,
    inner: Arc<S>,
}

impl<S: ?Sized> Faulty<S> {
    /// Lets calls to `inner` go wrong as `faults` say.
    pub const fn new(inner: Arc<S>, faults: Arc<Faults>) -> Self {
        Self { faults, inner }
    }

    /// The store behind.
    pub const fn inner(&self) -> &Arc<S> {
        &self.inner
    }

    /// The plan.
    pub const fn faults(&self) -> &Arc<Faults> {
        &self.faults
    }
}

impl<S: ?Sized + Sync + Send> Faulty<S> {
    /// Makes `call` as the plan says. For implementations of ports: [`faulty_port!`](crate::faulty_port) writes them.
    ///
    /// # Errors
    /// Those of the call, and `Unavailable` where the plan says so.
    pub async fn call<'a, T, F>(&'a self, operation: &'static str, call: impl Fn(&'a S) -> F + Send) -> StoreResult<T>
    where
        T: Send,
        F: Future<Output = StoreResult<T>> + Send,
    {
        let failed = |why: &'static str| StoreError::new(StoreErrorKind::Unavailable, operation).caused_by(why);
        match self.faults.decide(operation) {
            None => call(&self.inner).await,
            Some(Fault::Before) => Err(failed("injected: the call was not made")),
            Some(Fault::Throttled) => Err(failed("injected: too many calls")),
            Some(Fault::After) => {
                // Whatever came of it, nobody learns of it.
                drop(call(&self.inner).await);
                Err(failed("injected: the outcome was lost"))
            }
            Some(Fault::Twice) => {
                let outcome = call(&self.inner).await;
                drop(call(&self.inner).await);
                outcome
            }
            Some(Fault::Late(delay)) => {
                delay.wait().await;
                call(&self.inner).await
            }
            Some(Fault::AnsweredLate(delay)) => {
                let outcome = call(&self.inner).await;
                delay.wait().await;
                outcome
            }
        }
    }
}

impl<S: ?Sized> Clone for Faulty<S> {
    fn clone(&self) -> Self {
        Self { faults: Arc::clone(&self.faults), inner: Arc::clone(&self.inner) }
    }
}

impl<S: ?Sized + fmt::Debug> fmt::Debug for Faulty<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("faults", &self.faults).field("inner", &self.inner).finish()
    }
}

/// Implements a port for [`Faulty`](crate::testkit::Faulty), and lists its operations under a name of your choice.
///
/// The port, its name in errors and the list's name; then each method as in the trait, without `&self`, the tenant and the
/// `StoreResult` around the answer, after `read` or `write`. A method that the port has and the list has not does not compile. The
/// calling crate needs `async_trait`, and the port's types in scope. Calls that name no tenant come after the others, in a list
/// called `across`; with the word `tenantless` before the port, none of its calls names one.
#[macro_export]
macro_rules! faulty_port {
    ($port:ident as $prefix:literal, $operations:ident {
        $($kind:ident $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*
    } $(across {
        $($kind_across:ident $method_across:ident($($argument_across:ident: $type_across:ty),*) -> $answer_across:ty;)*
    })?) => {
        #[doc = concat!("The operations of [`", stringify!($port), "`].")]
        pub const $operations: &[$crate::testkit::Operation] = &[$($crate::testkit::Operation {
            name: concat!($prefix, ".", stringify!($method)),
            writes: $crate::faulty_port!(@writes $kind),
        },)* $($($crate::testkit::Operation {
            name: concat!($prefix, ".", stringify!($method_across)),
            writes: $crate::faulty_port!(@writes $kind_across),
        }),*)?];

        #[deny(clippy::missing_trait_methods)]
        #[::async_trait::async_trait]
        impl<S: $port + ?Sized> $port for $crate::testkit::Faulty<S> {
            $(
                async fn $method(
                    &self,
                    tenant: $crate::TenantId,
                    $($argument: $type,)*
                ) -> $crate::StoreResult<$answer> {
                    let operation = concat!($prefix, ".", stringify!($method));
                    self.call(operation, |store| $port::$method(store, tenant, $($argument),*)).await
                }
            )*
            $($(
                async fn $method_across(&self, $($argument_across: $type_across),*) -> $crate::StoreResult<$answer_across> {
                    let operation = concat!($prefix, ".", stringify!($method_across));
                    self.call(operation, |store| $port::$method_across(store, $($argument_across),*)).await
                }
            )*)?
        }
    };
    (tenantless $port:ident as $prefix:literal, $operations:ident {
        $($kind:ident $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*
    }) => {
        #[doc = concat!("The operations of [`", stringify!($port), "`].")]
        pub const $operations: &[$crate::testkit::Operation] = &[$($crate::testkit::Operation {
            name: concat!($prefix, ".", stringify!($method)),
            writes: $crate::faulty_port!(@writes $kind),
        }),*];

        #[deny(clippy::missing_trait_methods)]
        #[::async_trait::async_trait]
        impl<S: $port + ?Sized> $port for $crate::testkit::Faulty<S> {
            $(
                async fn $method(&self, $($argument: $type),*) -> $crate::StoreResult<$answer> {
                    let operation = concat!($prefix, ".", stringify!($method));
                    self.call(operation, |store| $port::$method(store, $($argument),*)).await
                }
            )*
        }
    };
    (@writes read) => { false };
    (@writes write) => { true };
}

faulty_port! {
    AuditLog as "audit", AUDIT {
        read list(filter: &AuditFilter, page: &PageRequest) -> Page<AuditRecord>;
        write prune(before: Timestamp, limit: usize) -> usize;
    }
}
