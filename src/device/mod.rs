//! Simulated devices over MQTT.
