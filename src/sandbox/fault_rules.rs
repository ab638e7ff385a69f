//! Rules for injected faults: which calls a fault strikes, and how many of them.

use super::fault::Fault;
use super::ledger::Call;
use super::wire::service::Service;

/// A fault and the calls that it strikes: by default all calls, until it is lifted, with an error
/// 500.
#[derive(Debug, Clone)]
pub struct Rule {
    service: Option<Service>,
    operation: Option<String>,
    region: Option<String>,
    naming: Option<String>,
    caller: Option<String>,
    account: Option<String>,
    after: usize,
    times: usize,
    spared: usize,
    fault: Fault,
}

impl Rule {
    /// Strikes the calls of one operation, or all calls if it is `*`.
    #[must_use]
    pub fn on(operation: &str) -> Self {
        Self { operation: (operation != "*").then(|| operation.to_owned()), ..Self::everywhere() }
    }

    /// Strikes the calls of one service.
    #[must_use]
    pub fn on_service(service: Service) -> Self {
        Self { service: Some(service), ..Self::everywhere() }
    }

    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    /// Strikes this many calls and then no more.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Lets this many calls pass before the first one is struck.
    #[must_use]
    pub fn after(mut self, calls: usize) -> Self {
        self.after = calls;
        self
    }

    /// Lets every `n`-th of the calls pass that it would strike: of 5 calls, 4 are struck.
    #[must_use]
    pub fn sparing_every(mut self, n: usize) -> Self {
        self.spared = n;
        self
    }

    /// Strikes only calls in one region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Strikes only calls that have this among their [`Call::subjects`], such as an instance id.
    #[must_use]
    pub fn naming(mut self, subject: impl Into<String>) -> Self {
        self.naming = Some(subject.into());
        self
    }

    /// Strikes only calls that are signed with this access key.
    #[must_use]
    pub fn caller(mut self, key: impl Into<String>) -> Self {
        self.caller = Some(key.into());
        self
    }

    /// Strikes only calls that are signed with the credentials of this account.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    fn everywhere() -> Self {
        Self {
            service: None,
            operation: None,
            region: None,
            naming: None,
            caller: None,
            account: None,
            after: 0,
            times: usize::MAX,
            spared: usize::MAX,
            fault: Fault::error(500, "InternalError"),
        }
    }

    fn matches(&self, call: &Call) -> bool {
        self.service.is_none_or(|service| service == call.service)
            && self.operation.as_ref().is_none_or(|operation| *operation == call.operation)
            && self.region.as_ref().is_none_or(|region| *region == call.region)
            && self.caller.as_ref().is_none_or(|key| *key == call.caller)
            && self.account.as_ref().is_none_or(|account| *account == call.account)
            && self.naming.as_ref().is_none_or(|subject| call.subjects.contains(subject))
    }
}

/// Identifies an injected fault, so that it can be lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultId(usize);

/// The faults that are injected and not lifted.
#[derive(Debug, Default)]
pub(super) struct Faults {
    injected: Vec<Injected>,
    /// How many faults were ever injected: the id of the next one.
    count: usize,
}

#[derive(Debug)]
struct Injected {
    id: FaultId,
    rule: Rule,
    /// How many calls have matched the rule so far.
    matched: usize,
}

impl Faults {
    pub(super) fn inject(&mut self, rule: Rule) -> FaultId {
        let id = FaultId(self.count);
        self.count += 1;
        self.injected.push(Injected { id, rule, matched: 0 });
        id
    }

    pub(super) fn lift(&mut self, id: FaultId) {
        self.injected.retain(|one| one.id != id);
    }

    pub(super) fn lift_all(&mut self) {
        self.injected.clear();
    }

    /// Returns the faults that strike a call, in the order in which they were injected.
    pub(super) fn strike(&mut self, call: &Call) -> Vec<(FaultId, Fault)> {
        let mut faults = Vec::new();
        for one in self.injected.iter_mut().filter(|one| one.rule.matches(call)) {
            let struck = one.matched.checked_sub(one.rule.after);
            one.matched += 1;
            let strikes = |number| number < one.rule.times && (number + 1) % one.rule.spared != 0;
            if struck.is_some_and(strikes) {
                faults.push((one.id, one.rule.fault.clone()));
            }
        }
        faults
    }
}
