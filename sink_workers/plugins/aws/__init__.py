"""What sinks in a subscriber's AWS account share: as whom they write, signatures, keys of roles. No sink itself."""
