"""The application in which events begin: the publisher, the HTTP gateway, the simulator."""
