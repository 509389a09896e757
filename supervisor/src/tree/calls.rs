//! What can be asked of a running supervisor, by the rules of OTP's functions of the same names.

use super::child::{Caller, Child, Id, Life};
use super::node::Node;
use super::{Call, CallError, CallId, Shared};
use crate::spec::ChildSpec;
use crate::validate::validate_child;

impl<W: Clone> Node<W> {
    pub(super) fn call(&mut self, shared: &mut Shared<W>, call: CallId, what: Call<W>) {
        let begun = match what {
            Call::Add(spec) => self.add(shared, call, spec),
            Call::Terminate(name) => self.named(&name).map(|id| self.stop_asked(shared, id, call)),
            Call::Restart(name) => self.ended_child(&name).map(|id| {
                self.start_asked(shared, id, Caller { call, is_new: false });
            }),
            Call::Delete(name) => self.ended_child(&name).map(|id| {
                self.remove(id);
                shared.reply(call, Ok(()));
            }),
        };
        if let Err(error) = begun {
            shared.reply(call, Err(error));
        }
    }

    fn add(&mut self, shared: &mut Shared<W>, call: CallId, spec: ChildSpec<W>) -> Result<(), CallError> {
        validate_child(&self.spec, &self.path, &spec)?;
        if let Some(child) = self.children.iter().find(|child| child.spec.name == spec.name) {
            let is_ended = matches!(child.life, Life::Idle);
            let error = if is_ended { CallError::AlreadyPresent } else { CallError::AlreadyStarted };
            return Err(error(spec.name));
        }
        let id = self.take_in(spec);
        self.start_asked(shared, id, Caller { call, is_new: true });
        Ok(())
    }

    fn of_name(&self, name: &str) -> Result<&Child<W>, CallError> {
        let found = self.children.iter().find(|child| child.spec.name == name);
        found.ok_or_else(|| CallError::NotFound(name.to_owned()))
    }

    fn named(&self, name: &str) -> Result<Id, CallError> {
        self.of_name(name).map(|child| child.id)
    }

    /// A child that has ended and is not being restarted.
    fn ended_child(&self, name: &str) -> Result<Id, CallError> {
        let child = self.of_name(name)?;
        match child.life {
            Life::Idle => Ok(child.id),
            Life::Waiting { .. } | Life::Failed(_) => Err(CallError::Restarting(name.to_owned())),
            // Of one that is dead nobody knows yet.
            Life::Starting { .. } | Life::Running { .. } | Life::Stopping { .. } | Life::Dead(_) => {
                Err(CallError::Running(name.to_owned()))
            }
        }
    }
}
