"""The application through which events enter: the publisher, the HTTP gateway, the simulator."""
