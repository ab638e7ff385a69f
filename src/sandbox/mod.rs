//! A small local AWS: EC2, EventBridge rule, SQS, SNS.
