"""What carries sessions: the only modules that know sockets, browsers and mocks."""
