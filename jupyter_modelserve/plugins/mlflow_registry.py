"""MLflow's registry store, judged: every method is an operation of the one table, and what has no row is refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, text

from jupyter_modelserve import names
from jupyter_modelserve.controller.governance import catalogs, tags
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import model as model_of
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.plugins import mlflow_files, mlflow_safety
from jupyter_modelserve.plugins.mlflow_artifacts import require_copied, require_named, require_source
from jupyter_modelserve.plugins.mlflow_governance import Governor, Work, actor, also, principal, translated, upload
from jupyter_modelserve.plugins.mlflow_methods import COMPOSED, INTERNAL, METHODS, SEARCHES, Method
from jupyter_modelserve.plugins.mlflow_placing import Upload, placed_at


def registry_store_class(governor: Governor) -> Any:
    """The store class; MLflow is imported here."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    rules = _Rules(governor)
    members: dict[str, Any] = {name: _judged(SqlAlchemyStore, name, rules) for name in METHODS}
    members |= {name: _filtered(SqlAlchemyStore, name, governor) for name in SEARCHES}
    known = {*METHODS, *SEARCHES, *COMPOSED, *INTERNAL}
    for name, found in inspect.getmembers(SqlAlchemyStore, callable):
        if not name.startswith("_") and name not in known and found is not SqlAlchemyStore.__class__:
            members.setdefault(name, _refused(name))
    members["__doc__"] = "MLflow's registry with our rules in front of every method."
    return type("RegistryStore", (SqlAlchemyStore,), members)


def _refused(name: str) -> Callable[..., Any]:
    def refused(*_: Any, **__: Any) -> Any:
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

        raise MlflowException(f"{name} is not served here", error_code=PERMISSION_DENIED)

    return refused


def _judged(store: Any, name: str, rules: _Rules) -> Callable[..., Any]:
    original, rule = getattr(store, name), METHODS[name]
    signature = inspect.signature(original)

    def judged(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        arguments = dict(list(bound.arguments.items())[1:])
        with translated():
            rules.judge(name, rule, arguments)
        if not rule.changes:
            return original(self, *args, **kwargs)

        def call() -> Any:
            # What was judged may have taken long to prepare: rights may have ended since.
            also(lambda _: rules.judge_again(name, rule, arguments))
            return original(self, *args, **kwargs)

        return rules.change(name, arguments, call)

    judged.__doc__ = f"{name}, judged as {rule.operation.value}."
    return judged


def _filtered(store: Any, name: str, governor: Governor) -> Callable[..., Any]:
    """A search whose pages leave out what the caller may not see; an empty page only ever comes last."""
    original, operation = getattr(store, name), SEARCHES[name]
    signature = inspect.signature(original)

    def filtered(self: Any, *args: Any, **kwargs: Any) -> Any:
        from mlflow.store.entities.paged_list import PagedList

        who = principal()
        arguments = dict(list(signature.bind(self, *args, **kwargs).arguments.items())[1:])
        while True:
            page = original(self, **arguments)
            seen: dict[str, bool] = {}
            for each in page:
                if each.name not in seen:
                    seen[each.name] = governor.may(who, operation, model_of(each.name))
            kept = [each for each in page if seen[each.name]]
            if kept or not page.token:
                return PagedList(kept, page.token)
            arguments["page_token"] = page.token

    return filtered


class _Rules:
    """What happens around each method."""

    def __init__(self, governor: Governor) -> None:
        self._governor = governor

    # ------------------------------------------------------------------------------------------------ before
    def judge(self, name: str, rule: Method, arguments: dict[str, Any]) -> None:
        """Rights first, so that a refusal tells nothing; then what may be asked at all."""
        model = str(arguments["name"])
        if name == "create_registered_model":
            names.check_model(model)
            self._may_create(model)
        else:
            self._require(rule, arguments)
        check = getattr(self, f"_check_{name}", None)
        if check is not None:
            check(model, arguments)

    def judge_again(self, name: str, rule: Method, arguments: dict[str, Any]) -> None:
        """The same rights right before the commit, by what is committed: the transaction under way has locked the
        writers out, so what holds now holds until it has ended.
        """
        self._require(rule, arguments)
        if name == "rename_registered_model":
            self._governor.require(principal(), Operation.MODEL_CREATE, model_of(str(arguments["new_name"])))

    def _require(self, rule: Method, arguments: dict[str, Any]) -> None:
        detail = str(arguments[rule.detail]) if rule.detail else ""
        if rule.detail == "stage":
            detail = names.canonical_stage(detail) or detail
        self._governor.require(principal(), rule.operation, model_of(str(arguments["name"])), detail)

    def _may_create(self, model: str) -> None:
        who = principal()
        if self._governor.may(who, Operation.MODEL_CREATE, model_of(model)):
            return
        # Clients create before they add a version, and take "exists already" for an answer.
        if self._exists(model) and self._governor.may(who, Operation.MODEL_VIEW, model_of(model)):
            from jupyter_modelserve.errors import AlreadyExists

            raise AlreadyExists(f"Registered Model (name={model}) already exists.")
        self._governor.require(who, Operation.MODEL_CREATE, model_of(model))

    def _exists(self, model: str) -> bool:
        with self._governor.engine.connect() as connection:
            query = text("SELECT 1 FROM registered_models WHERE name = :name")
            return connection.execute(query, {"name": model}).first() is not None

    def _check_rename_registered_model(self, model: str, arguments: dict[str, Any]) -> None:
        new = names.check_model(str(arguments["new_name"]))
        self._governor.require(principal(), Operation.MODEL_CREATE, model_of(new))
        if names.is_three_level(new) and not names.is_three_level(model):
            with self._governor.engine.connect() as connection:
                places = mlflow_files.locations(connection, model)
            for each in places:
                mlflow_files.check_signature(new, mlflow_files.directory_of(each, self._governor.paths))

    def _check_set_registered_model_alias(self, model: str, arguments: dict[str, Any]) -> None:
        names.check_alias(model, str(arguments["alias"]))

    def _check_transition_model_version_stage(self, model: str, _: dict[str, Any]) -> None:
        if names.is_three_level(model):
            raise InvalidParameter(
                f"{model} is a catalog model, and those have no stages (REQ-110); set an alias instead",
                details={"field": "stage"},
            )

    # ------------------------------------------------------------------------------------------------ around
    def change(self, name: str, arguments: dict[str, Any], call: Callable[[], Any]) -> Any:
        """Make one change, with what belongs into its transaction and what comes before and after it."""
        around = getattr(self, f"_around_{name}", None)
        if around is None:
            return self._run(arguments, call, [])
        return around(arguments, call)

    def _run(
        self, arguments: dict[str, Any], call: Callable[[], Any], checks: list[Callable[[Connection], None]]
    ) -> Any:
        with self._governor.changing(actor()) as work:
            work.checks += checks
            return call()

    def _around_create_registered_model(self, arguments: dict[str, Any], call: Callable[[], Any]) -> Any:
        model, found = str(arguments["name"]), arguments.get("tags") or ()
        return self._run(arguments, call, [*self._containers(model), *self._tags(found, model)])

    def _around_rename_registered_model(self, arguments: dict[str, Any], call: Callable[[], Any]) -> Any:
        return self._run(arguments, call, self._containers(str(arguments["new_name"])))

    def _containers(self, model: str) -> list[Callable[[Connection], None]]:
        if not names.is_three_level(model):
            return []
        who = actor()
        return [lambda connection: catalogs.ensure_containers(self._governor.session(connection, who), model)]

    def _around_set_registered_model_alias(self, arguments: dict[str, Any], call: Callable[[], Any]) -> Any:
        model = str(arguments["name"])
        return self._run(arguments, call, [lambda connection: mlflow_safety.limit_aliases(connection, model)])

    def _around_set_registered_model_tag(self, arguments: dict[str, Any], call: Callable[[], Any]) -> Any:
        model = str(arguments["name"])
        return self._run(arguments, call, self._tags([arguments["tag"]], model))

    def _around_set_model_version_tag(self, arguments: dict[str, Any], call: Callable[[], Any]) -> Any:
        model, version = str(arguments["name"]), str(arguments["version"])
        return self._run(arguments, call, self._tags([arguments["tag"]], model, version))

    def _tags(self, found: Any, model: str, version: str = "") -> list[Callable[[Connection], None]]:
        pairs = [(str(each.key), str(each.value)) for each in found]
        table, where = "registered_model_tags", "name = :name"
        if version:
            table, where = "model_version_tags", "name = :name AND version = :version"

        def check(connection: Connection) -> None:
            for key, value in pairs:
                tags.check_tag(connection, key, value)
            query = text(f"SELECT COUNT(*) FROM {table} WHERE {where}")  # noqa: S608 - constants of this function
            count = connection.execute(query, {"name": model, "version": version}).scalar_one()
            tags.check_count(int(count), f"{model} {version}".rstrip())

        return [check] if pairs else []

    def _around_transition_model_version_stage(self, arguments: dict[str, Any], call: Callable[[], Any]) -> Any:
        """Whoever takes a version out of a served stage needs the right on that stage as well (REQ-107)."""
        model, version, to = (str(arguments[each]) for each in ("name", "version", "stage"))
        with self._governor.changing(actor()):
            with self._governor.engine.connect() as connection:
                left = mlflow_safety.stage_left(connection, model, version, to)
            if left and not any(
                self._governor.may(principal(), Operation.VERSION_STAGE, model_of(model), each) for each in left
            ):
                self._governor.require(principal(), Operation.VERSION_STAGE, model_of(model), left[0])
            return call()

    # ------------------------------------------------------------------------------------------------ versions
    def _around_create_model_version(self, arguments: dict[str, Any], call: Callable[[], Any]) -> Any:
        model, source, who = str(arguments["name"]), str(arguments["source"]), actor()
        uploading = upload()
        require_named(self._governor, who.principal, source if uploading is None else uploading["source"])
        if uploading is not None:
            return self._reserved(arguments, call, Upload(uploading["source"], uploading.get("run_id", "")))
        require_copied(self._governor, who.principal, source)
        with translated():
            with self._governor.engine.connect() as connection:
                address = mlflow_files.address_of(connection, model, source)
            require_source(self._governor, who.principal, address)
            directory = mlflow_files.directory_of(address, self._governor.paths)
            mlflow_files.check_signature(model, directory)
            place = mlflow_files.copy(directory, self._governor.paths) if directory is not None else None
        try:
            with placed_at(place):
                pairs = self._tags(arguments.get("tags") or (), model)
                return self._run(arguments, call, [*pairs, lambda _: self._may_read(source, address)])
        except BaseException:
            if place is not None:
                mlflow_files.remove(place, self._governor.paths)
            raise

    def _may_read(self, source: str, address: str) -> None:
        who = principal()
        require_named(self._governor, who, source)
        require_copied(self._governor, who, source)
        require_source(self._governor, who, address)

    def _reserved(self, arguments: dict[str, Any], call: Callable[[], Any], asked: Upload) -> Any:
        """A version whose files the client uploads next; its signature is looked at when it is finished."""
        place = mlflow_files.reserve(self._governor.paths)
        try:
            with placed_at(place, asked):
                return self._run(arguments, call, self._tags(arguments.get("tags") or (), str(arguments["name"])))
        except BaseException:
            mlflow_files.remove(place, self._governor.paths)
            raise

    def _around_delete_model_version(self, arguments: dict[str, Any], call: Callable[[], Any]) -> Any:
        return self._deleted(str(arguments["name"]), str(arguments["version"]), call)

    def _around_delete_registered_model(self, arguments: dict[str, Any], call: Callable[[], Any]) -> Any:
        return self._deleted(str(arguments["name"]), None, call)

    def _deleted(self, model: str, version: str | None, call: Callable[[], Any]) -> Any:
        """Refuse the first time when something relies on it; afterwards its bytes are gone for good (REQ-093)."""
        what = f"version {version} of {model}" if version else f"model {model}"
        with self._governor.changing(actor()) as work:
            with self._governor.transaction() as connection:
                uses = mlflow_safety.used_by(connection, model, version)
                refusal = mlflow_safety.confirm(connection, work.actor.principal, what, uses)
                places = mlflow_files.locations(connection, model, version)
            if refusal is not None:
                raise refusal
            result = call()
        for place in places:
            mlflow_files.remove(place, self._governor.paths)
        return result


__all__ = ["Work", "registry_store_class"]
