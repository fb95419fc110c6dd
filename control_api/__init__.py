"""The control API, wire-compatible with Twilio's Event Streams: sinks and subscriptions over the control topic."""
