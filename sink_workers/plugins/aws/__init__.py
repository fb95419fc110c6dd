"""What sinks in a subscriber's AWS account share: credentials, signatures, assumed roles. Not a sink itself."""
