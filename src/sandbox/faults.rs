//! Which calls a fault strikes, and how often.

use super::fault::Fault;
use super::ledger::Call;
use super::wire::service::Service;

/// Which calls a fault strikes: by default all of an operation, for good, with a 500.
#[derive(Debug, Clone)]
pub struct Rule {
    service: Option<Service>,
    operation: Option<String>,
    region: Option<String>,
    naming: Option<String>,
    after: usize,
    times: usize,
    fault: Fault,
}

impl Rule {
    /// Strikes calls of one operation, or of all with `*`.
    #[must_use]
    pub fn on(operation: &str) -> Self {
        Self { operation: (operation != "*").then(|| operation.to_owned()), ..Self::everywhere() }
    }

    /// Strikes every call of a service.
    #[must_use]
    pub fn on_service(service: Service) -> Self {
        Self { service: Some(service), ..Self::everywhere() }
    }

    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    /// Strikes so many calls and then no more.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Spares the first so many calls.
    #[must_use]
    pub fn after(mut self, calls: usize) -> Self {
        self.after = calls;
        self
    }

    /// Strikes only calls to one region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Strikes only calls with this among their subjects.
    #[must_use]
    pub fn naming(mut self, subject: impl Into<String>) -> Self {
        self.naming = Some(subject.into());
        self
    }

    fn everywhere() -> Self {
        Self {
            service: None,
            operation: None,
            region: None,
            naming: None,
            after: 0,
            times: usize::MAX,
            fault: Fault::error(500, "InternalError"),
        }
    }

    fn matches(&self, call: &Call) -> bool {
        self.service.is_none_or(|service| service == call.service)
            && self.operation.as_ref().is_none_or(|operation| *operation == call.operation)
            && self.region.as_ref().is_none_or(|region| *region == call.region)
            && self.naming.as_ref().is_none_or(|subject| call.subjects.contains(subject))
    }
}

/// Names an injected fault, to lift it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultId(usize);

/// The faults in force.
#[derive(Debug, Default)]
pub(super) struct Faults {
    injected: Vec<Injected>,
    count: usize,
}

#[derive(Debug)]
struct Injected {
    id: FaultId,
    rule: Rule,
    /// The calls that matched so far.
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

    /// Picks what strikes a call, in the order of injection.
    pub(super) fn strike(&mut self, call: &Call) -> Vec<(FaultId, Fault)> {
        let mut faults = Vec::new();
        for one in self.injected.iter_mut().filter(|one| one.rule.matches(call)) {
            let struck = one.matched.checked_sub(one.rule.after);
            one.matched += 1;
            if struck.is_some_and(|struck| struck < one.rule.times) {
                faults.push((one.id, one.rule.fault.clone()));
            }
        }
        faults
    }
}
