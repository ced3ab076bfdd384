//! Listeners: TLS with reload, handshake deadline, connection cap, drain.
