"""Whether an installation can do its work: looks at everything, changes nothing, says what to mend."""
