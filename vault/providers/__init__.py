"""Where key-encryption keys live: in the process, in a transit engine, in AWS KMS."""
