//! MQTT 3.1.1 as IoT Hub speaks it: strict frames and the service's topics; no sockets of its own.
