"""What `HttpClient.install` takes: behaviour that hooks into every request."""
