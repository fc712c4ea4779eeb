"""Which models are offered, in which order, and what is known of each (Req: MO-01).

Of what is known, the user's own word wins over the server's, and that over the table's. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from agent_server.config.credentials import Credentials, Key
from agent_server.config.keys import KEY_VARIABLES
from agent_server.config.levels import LEVELS, without_level
from agent_server.config.settings import Settings
from agent_server.providers.choice import MAX_MODELS, Choice, UnknownModel, chosen
from agent_server.providers.known import DEFAULT_MODELS, ENDPOINTS, LOCAL_SERVERS, BadAddress, endpoint_named
from agent_server.providers.model_table import known_model, known_models
from agent_server.providers.provider import KeyState, ModelInfo, Price
from agent_server.providers.wire import Endpoint

if TYPE_CHECKING:
    from agent_server.config.tables import ModelTable
    from agent_server.providers.listing import ListedModel
    from agent_server.providers.surroundings import Surroundings

_SEES: Final = ("anthropic", "gemini", "openai-responses")
_SOURCES: Final = ("environment", "file", "keyring")
_TOKEN_VARIABLE: Final = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105  # its name


class Offers:
    """The providers that there are, and their models.

    Args:
        around: which servers were found, and what they list, as it is at the time.
    """

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        credentials: Credentials,
        around: Surroundings,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._found, self._listed = around.found, around.listed
        self.problems: list[str] = []
        """What is wrong with what somebody said of a provider, in sentences."""
        self._endpoints: dict[str, Endpoint] = {}
        for name in dict.fromkeys((*settings.providers, *ENDPOINTS)):
            try:
                endpoint = endpoint_named(name, environment, settings.providers.get(name))
            except BadAddress as error:
                self.problems.append(f"{ENDPOINTS[name].title} cannot be used: {error}")
            else:
                if endpoint is not None:
                    self._endpoints[name] = endpoint
        self.explicit = None if settings.model is None else self._choice(settings.model)
        self._named = self._named_models()

    def _choice(self, text: str) -> Choice:
        having_key = [name for name in self._endpoints if self.configured(name)]
        choice = chosen(text, self._endpoints, having_key)
        if choice.provider not in self._endpoints:  # its address is wrong
            raise UnknownModel(" ".join(self.problems))
        return choice

    def _named_models(self) -> dict[str, list[str]]:
        """The models that the user named one by one, by provider."""
        named: dict[str, list[str]] = {}
        choices = [Choice(*name.split(":", 1)) for name in self._settings.models]
        choices += [choice for choice, _ in self.rotation()]
        choices += [self.explicit] if self.explicit is not None else []
        for choice in choices:
            if choice.model is not None:
                named.setdefault(choice.provider, []).append(choice.model)
        return named

    def rotation(self) -> tuple[tuple[Choice, str | None], ...]:
        """The models to go round, with their levels.

        Raises:
            UnknownModel: an entry names nothing.
        """
        return tuple(self._entry(entry) for entry in self._settings.rotation)

    def _entry(self, entry: str) -> tuple[Choice, str | None]:
        name, level = without_level(entry)
        try:
            return self._choice(name), level
        except UnknownModel:
            name, _, word = entry.rpartition(":")  # a provider or an id alone, and a level
            if level is not None or word not in LEVELS:
                raise
            return self._choice(name), word

    def first_of(self, choice: Choice) -> str | None:
        """The id of a model that was chosen; of a provider alone, the model that it begins with, if it has any."""
        if choice.model is not None:
            return f"{choice.provider}:{choice.model}"
        if choice.provider in DEFAULT_MODELS:
            return f"{choice.provider}:{DEFAULT_MODELS[choice.provider]}"
        return next((info.id for info in self._of(choice.provider)), None)

    def endpoint(self, provider: str) -> Endpoint | None:
        """Where a provider's models are served."""
        endpoint = self._endpoints.get(provider)
        key = self.key(provider)
        if endpoint is not None and key is not None and key.place == _TOKEN_VARIABLE:
            return replace(endpoint, quirks=endpoint.quirks | {"bearer"})
        return endpoint

    def endpoints(self) -> list[Endpoint]:
        """Every provider that is known here or to the user, and where it is."""
        return list(self._endpoints.values())

    def key(self, provider: str) -> Key | None:
        """The key of a provider, if there is one."""
        endpoint = self._endpoints.get(provider)
        return None if endpoint is None else self._credentials.key(provider, endpoint.key_variables)

    def configured(self, provider: str) -> bool:
        """Whether it can be asked: it has its key; one that needs none was found, or the user says where it is."""
        endpoint = self._endpoints.get(provider)
        if endpoint is None:
            return False
        if endpoint.needs_key:
            return self.key(provider) is not None
        return provider in self._found or provider in self._settings.providers or provider in self._listed

    def missing_key(self, provider: str) -> bool:
        """Whether it is of no use because its key is missing."""
        endpoint = self._endpoints.get(provider)
        return endpoint is not None and endpoint.needs_key and self.key(provider) is None

    def in_order(self) -> list[str]:
        """The providers that can be asked, and the explicit one: the explicit one first, then as the README says."""
        names = [name for name in self._endpoints if self.configured(name)]
        if self.explicit is not None and self.explicit.provider not in names:
            names.append(self.explicit.provider)
        return sorted(names, key=self._rank)

    def _rank(self, name: str) -> tuple[int, int]:
        usual = [*KEY_VARIABLES, *LOCAL_SERVERS]
        place = usual.index(name) if name in usual else 0
        if self.explicit is not None and name == self.explicit.provider:
            return 0, place
        if name in self._settings.providers:
            return 1, place
        key = self.key(name)
        return 2 + (_SOURCES.index(key.source) if key is not None else len(_SOURCES)), place

    def models(self) -> tuple[ModelInfo, ...]:
        """Everything that is offered; the first is the one to begin with, if it `begins`."""
        return tuple(info for name in self.in_order() for info in self._of(name))

    def begins(self) -> bool:
        """Whether the first of `models` may be taken though nobody chose it: one found here must take tools."""
        names = self.in_order()
        if self.explicit is not None or not names:
            return bool(names) and next(iter(self.models()), None) is not None
        first = next(self._of(names[0]), None)
        found = self._found.get(names[0])
        if found is None or first is None:
            return first is not None
        return any(f"{names[0]}:{model.id}" == first.id and model.tools for model in found)

    def _of(self, name: str) -> Iterator[ModelInfo]:
        """The models of one provider, its default first; only what the user named where its key is missing."""
        said = {model.id: model for model in (*self._found.get(name, ()), *self._listed.get(name, ()))}
        named = self._named.get(name, [])
        if self.missing_key(name):
            only = self.explicit.model if self.explicit is not None else None
            ids: Iterable[str] = [only or DEFAULT_MODELS.get(name, "")]
        else:
            ids = [*self._listed_ids(name, said), *named]
        in_order = sorted(dict.fromkeys(ids), key=lambda model_id: self._precedence(name, model_id, said))
        for model_id in in_order[:MAX_MODELS]:
            if model_id:
                yield self.info(name, model_id, said.get(model_id))

    def _listed_ids(self, name: str, said: Mapping[str, ListedModel]) -> list[str]:
        table = self._settings.providers.get(name)
        if table is not None and table.models:
            return list(table.models)
        if said:
            return list(said)
        default = [DEFAULT_MODELS[name]] if name in DEFAULT_MODELS else []
        return default + [info.id for info in known_models(name)]

    def _precedence(self, name: str, model_id: str, said: Mapping[str, ListedModel]) -> tuple[bool, bool, bool]:
        explicit = self.explicit is not None and self.explicit == (name, model_id)
        tools = model_id not in said or said[model_id].tools is not False
        return not explicit, model_id != DEFAULT_MODELS.get(name), not tools

    def info(self, name: str, model_id: str, said: ListedModel | None = None) -> ModelInfo:
        """What is known of a model."""
        endpoint = self._endpoints[name]
        usual = ENDPOINTS.get(name)
        known = known_model(name, model_id)
        moved = usual is None or endpoint.base_url != usual.base_url
        sees = endpoint.format in _SEES
        info = known or ModelInfo(model_id, model_id, images=sees, audio=endpoint.format == "gemini")
        if moved:  # whoever stands in a provider's place has prices of its own
            info = replace(info, price=None)
        if said is not None:
            info = _as_said(info, said)
        table = self._settings.models.get(f"{name}:{model_id}")
        if table is not None:
            info = _as_the_user_says(info, table)
        return replace(info, id=f"{name}:{model_id}", provider=name)

    def key_states(self) -> tuple[KeyState, ...]:
        """Each provider, whether it can be asked, and where its key came from (Req: CR-03)."""
        states = []
        for name, endpoint in self._endpoints.items():
            key = self.key(name)
            source: str | None = key.source if key is not None else None
            if not endpoint.needs_key and not self.configured(name) and name not in LOCAL_SERVERS:
                continue
            if source is None and name in self._found:
                source = "found on this machine"
            states.append(KeyState(name, endpoint.title or name, self.configured(name), source))
        return tuple(states)

    def to_list(self) -> list[Endpoint]:
        """The endpoints whose models are to be asked for: those with their key, and those that the user named."""
        names = [name for name in self.in_order() if not self.missing_key(name) and name not in self._found]
        wanted = {name for name in names if not (t := self._settings.providers.get(name)) or not t.models}
        return [endpoint for name in names if name in wanted and (endpoint := self.endpoint(name)) is not None]

    def local(self) -> list[Endpoint]:
        """The servers of this machine that are looked for."""
        return [self._endpoints[name] for name in LOCAL_SERVERS if name in self._endpoints]


def _as_said(info: ModelInfo, said: ListedModel) -> ModelInfo:
    return replace(
        info,
        name=said.name or info.name,
        description=said.description or info.description,
        window_tokens=said.window_tokens or info.window_tokens,
        output_tokens=said.output_tokens or info.output_tokens,
        images=info.images if said.images is None else said.images,
        audio=info.audio if said.audio is None else said.audio,
        efforts=info.efforts if said.efforts is None else said.efforts,
        price=said.price or info.price,
    )


def _as_the_user_says(info: ModelInfo, table: ModelTable) -> ModelInfo:
    changes = {
        key: value
        for key in ("name", "window_tokens", "output_tokens", "efforts", "images", "audio")
        if (value := getattr(table, key)) is not None
    }
    info = replace(info, **changes)
    if table.input_usd is None or table.output_usd is None:
        return info
    return replace(
        info, price=Price(table.input_usd, table.output_usd, table.cached_read_usd, table.cached_write_usd)
    )
