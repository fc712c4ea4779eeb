"""An agent of your own; sessions, cancelling, tools and permissions come with it. This one answers in capitals."""

from agent_server.cli.embed import serve
from agent_server.conversation.content import text_of
from agent_server.conversation.messages import UserMessage
from agent_server.providers.provider import Finished, ModelRequest, ProviderEvents, SimpleProvider, TextDelta


class Shouter(SimpleProvider):
    async def stream(self, request: ModelRequest) -> ProviderEvents:
        prompt = request.messages[-1]
        yield TextDelta(text_of(prompt.parts).upper() if isinstance(prompt, UserMessage) else "")
        yield Finished()


if __name__ == "__main__":
    serve(Shouter())
