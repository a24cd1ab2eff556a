//! The one crypto provider, client and server TLS settings, and the local hub's own CA.
