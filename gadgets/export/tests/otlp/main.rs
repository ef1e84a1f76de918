//! OTLP against receivers that are real: a server of tonic's, and one of HTTP/1.1 that also answers nonsense.

#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

mod convert;
mod grpc;
mod http;
mod receiver;
mod sample;
mod tls;
