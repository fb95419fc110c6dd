"""The router: a Faust app that copies each event to the topic of every subscription that matches it."""
