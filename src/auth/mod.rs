//! Connection strings and shared access signatures, for client, device and hub alike.
