"""The control API, wire-compatible with Twilio's Event Streams: sinks and subscriptions, kept on the control topic."""
