"""LocalStack's own server binds every interface of the machine; this one binds the address that it was given."""

from localstack.runtime.server.core import RuntimeServerPlugin


class LoopbackServerPlugin(RuntimeServerPlugin):
    name = "loopback"

    def load(self, *args, **kwargs):
        # Loaded late: choosing a server must not start Twisted's reactor.
        from localstack.runtime.server.twisted import TwistedRuntimeServer
        from rolo.serving.twisted import TwistedGateway
        from twisted.internet import endpoints, reactor

        class LoopbackServer(TwistedRuntimeServer):
            def register(self, gateway, listen, ssl_creds=None):
                site = TwistedGateway(gateway)
                for address in listen:
                    endpoints.TCP4ServerEndpoint(reactor, address.port, interface=address.host).listen(site)

        return LoopbackServer()
