use countersign_connector::watch::{Channel, Delivering, Message};

use crate::signed::{Hook, id};

/// A receiver of notices. Any 2xx takes one.
pub(super) struct Webhook(pub(super) Hook);

impl Channel for Webhook {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn send<'s>(&'s self, message: &'s Message) -> Delivering<'s> {
        Box::pin(async {
            let (id, mut body) = (id(&message.id), super::as_json(message));
            body["id"] = id.as_str().into();
            self.0.post(&id, &body).await.map(drop)
        })
    }
}
