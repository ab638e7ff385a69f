//! Tests of the sandbox, with the SDK's own clients.

mod accounts;
mod attributes;
mod faults;
mod instances;
mod looks;
mod messages;
mod queue_tags;
mod queues;
mod reasons;
mod run_instances;
mod served;
mod starts;
mod subscriptions;
mod tag_events;
mod topics;
mod waiting;

use aws_sdk_ec2::error::ProvideErrorMetadata;

use super::{Options, Resources, Sandbox};

/// A sandbox that is set up, and clients for it.
struct World {
    sandbox: Sandbox,
    made: Resources,
    sqs: aws_sdk_sqs::Client,
    ec2: aws_sdk_ec2::Client,
    sns: aws_sdk_sns::Client,
}

fn world() -> World {
    world_with(Options::default())
}

fn world_with(options: Options) -> World {
    let sandbox = Sandbox::new(options);
    let config = sandbox.sdk_config();
    World {
        made: sandbox.set_up(),
        sqs: aws_sdk_sqs::Client::new(&config),
        ec2: aws_sdk_ec2::Client::new(&config),
        sns: aws_sdk_sns::Client::new(&config),
        sandbox,
    }
}

impl World {
    async fn receive(&self, wait_secs: i32) -> Vec<aws_sdk_sqs::types::Message> {
        let receive = self.sqs.receive_message().queue_url(&self.made.queue_url);
        let receive = receive.max_number_of_messages(10).wait_time_seconds(wait_secs);
        receive.send().await.unwrap().messages.unwrap_or_default()
    }

    /// The one instance that DescribeInstances finds by its id.
    async fn described(&self, id: &str) -> aws_sdk_ec2::types::Instance {
        let answer = self.ec2.describe_instances().instance_ids(id).send().await.unwrap();
        answer.reservations()[0].instances()[0].clone()
    }

    /// Stops instances, and returns how many the answer lists, or the error code.
    async fn stop(&self, ids: &[&str]) -> Result<usize, String> {
        let ids = ids.iter().map(ToString::to_string).collect();
        match self.ec2.stop_instances().set_instance_ids(Some(ids)).send().await {
            Ok(answer) => Ok(answer.stopping_instances().len()),
            Err(error) => Err(error.code().unwrap_or("no code").to_owned()),
        }
    }
}
