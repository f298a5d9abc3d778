"""Real servers for tests and the demo: nats-server and workerd on 127.0.0.1, stopped by pid."""
