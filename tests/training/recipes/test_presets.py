"""Recipes: what they accept, and what they say about a mistake."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import msgspec.inspect
import pytest

from deltasr.degradation.kinds import KINDS as DEGRADATIONS
from deltasr.diffusion.schedule import PRESETS
from deltasr.errors import SettingError
from deltasr.models.configs import Config, DeltaDiffConfig, RrdbConfig, ShiftingConfig, VQConfig
from deltasr.training.optimizer import learning_rate_factor
from deltasr.training.recipes.base import DegradationKind, Recipe, config_of
from deltasr.training.recipes.chain import ChainRecipe, DeltaDiffRecipe
from deltasr.training.recipes.editing import (
    CHANGEABLE,
    checked,
    from_assignments,
    from_toml,
    ignored,
    resumed,
    to_toml,
)
from deltasr.training.recipes.picture import AutoencoderRecipe, RrdbRecipe
from deltasr.training.recipes.presets import DEFAULT_RECIPE, RECIPES, recipe_named
from deltasr.training.recipes.types import AnyRecipe

replace = msgspec.structs.replace


def _toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("recipe", "config", "others"),
    [(DeltaDiffRecipe, DeltaDiffConfig, {"consistent"}), (RrdbRecipe, RrdbConfig, set()),
     (AutoencoderRecipe, VQConfig, {"blocks_by_level"}), (ChainRecipe, ShiftingConfig, set())],
)  # fmt: skip
def test_a_model_s_options_are_keys_with_the_same_types_bounds_and_defaults(
    recipe: type[Recipe], config: type[Config], others: set[str]
):
    keys = {field.name: (field.type, field.default) for field in msgspec.structs.fields(recipe)}
    options = {field.name: (field.type, field.default) for field in msgspec.structs.fields(config)}
    assert options.keys() - keys.keys() == others
    assert {name: keys[name] for name in options.keys() - others} == {
        name: options[name] for name in options.keys() - others
    }
    if not others:
        assert config_of(recipe(), config) == config()


def test_recipes_of_released_weights_are_read_as_they_are():
    root = Path(__file__).parents[3]
    files = [*root.glob("training-logs/**/recipe.json"), *root.glob("checkpoints/**/recipe.json")]
    assert len(files) > 9
    for file in files:
        values = {"system": "deltadiff", **json.loads(file.read_bytes())}
        recipe = msgspec.convert(values, AnyRecipe)
        written = json.loads(msgspec.json.encode(recipe))
        assert {key: written[key] for key in values} == values


@pytest.mark.parametrize("name", RECIPES)
def test_named_recipes_are_right(name: str):
    assert checked(recipe_named(name)) == RECIPES[name]


def test_the_default_recipe_exists_and_unknown_ones_are_named():
    assert recipe_named(DEFAULT_RECIPE).size == "tiny"
    with pytest.raises(SettingError, match="no recipe called 'huge'; known are deltadiff-tiny-x4"):
        recipe_named("huge")


KINDS: tuple[type[Recipe], ...] = get_args(AnyRecipe)


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_described_in_the_classes_and_in_the_manual(kind: type[Recipe]):
    manual = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
    described = " ".join(inspect.getdoc(parent) or "" for parent in kind.__mro__ if issubclass(parent, Recipe))
    for field in msgspec.structs.fields(kind):
        assert re.search(rf"\b{field.name}\b", described)
        assert f"`{field.name}`" in manual


def test_every_recipe_is_in_the_manual():
    manual = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
    assert [name for name in RECIPES if f"| `{name}`" not in manual] == []


def test_a_recipe_survives_json():
    recipe = DeltaDiffRecipe(step_weights=(1.0, 2.0, 3.0, 4.0), optimizer="muon", betas=(0.5, 0.75), compile=True)
    assert msgspec.json.decode(msgspec.json.encode(recipe), type=AnyRecipe) == recipe


@pytest.mark.parametrize("kind", KINDS)
def test_in_files_the_system_says_what_kind_a_recipe_is(kind: type[Recipe]):
    content = msgspec.json.encode(kind())
    assert json.loads(content)["system"] == kind.__struct_config__.tag
    assert type(msgspec.json.decode(content, type=AnyRecipe)) is kind


def test_toml_replaces_what_it_names(tmp_path: Path):
    text = (
        'loss = "l2"\nbatch = 8\nlearning_rate = 1\ncompile = true\nstep_weights = [1, 0.5, 0, 0]\nbetas = [0.5, 0.6]'
    )
    recipe = from_toml(RECIPES["deltadiff-small-x4"], _toml(tmp_path, text))
    assert (recipe.loss, recipe.batch, recipe.learning_rate, recipe.compile) == ("l2", 8, 1.0, True)
    assert (recipe.step_weights, recipe.betas) == ((1, 0.5, 0, 0), (0.5, 0.6))
    assert (recipe.size, recipe.crop) == ("small", 48)


def test_assignments_read_numbers_booleans_and_lists():
    recipe = from_assignments(
        DeltaDiffRecipe(),
        ["batch = 8", "learning_rate=2e-3", "compile=true", "step_weights=[1, 0.5,0,0]", "betas=0.5,0.6", "loss=l2"],
    )
    assert (recipe.batch, recipe.learning_rate, recipe.compile, recipe.loss) == (8, 2e-3, True, "l2")
    assert (recipe.step_weights, recipe.betas) == ((1, 0.5, 0, 0), (0.5, 0.6))
    assert from_assignments(recipe, ["step_weights="]).step_weights == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("batches = 8", "'batches', which this recipe has not; its keys are scale, "),
        ('batch = "8"', "cannot set 'batch' to '8': expected `int`, got `str`"),
        ('loss = "l2"\nbatch = "8"', "cannot set 'batch' to '8'"),
        ("batch = 8.0", "'batch'"),
        ("batch = true", "'batch'"),
        ("batch = 0", "cannot set 'batch' to 0: expected `int` >= 1"),
        ("compile = 1", "'compile'"),
        ('compile = "true"', "'compile'"),
        ("learning_rate = -1.0", "'learning_rate'"),
        ("learning_rate = inf", "cannot set 'learning_rate' to inf: expected `float` <= 100.0"),
        ("clip = nan", "'clip'"),
        ("loss = 3", "'loss'"),
        ('loss = "l3"', "cannot set 'loss' to 'l3': invalid enum value"),
        ('size = "gigantic"', "'size'"),
        ('step_weights = ["1", "1", "1", "1"]', "'step_weights'"),
        ("step_weights = [1, 1]", "step_weights has 2 values for 4 steps"),
        ("step_weights = [0, 0, 0, 0]", "step_weights are all zero"),
        ("step_weights = [1, 1, 1, -1]", "'step_weights'"),
        ("step_weights = [1, 1, 0, 0]\nearly_steps = 2", "step_weights are zero for the last steps"),
        ("betas = [0.9]", "'betas'"),
        ("betas = [0.9, 1.0]", "'betas'"),
        ("betas = 0.9", "'betas'"),
        ("eta_1 = 0.995", "eta_1 is 0.995, which is not less than eta_T"),
        ('shared = false\nunroll = "teacher-forced"', "shared false gives each step blocks of its own"),
        ("images = 15", "images is 15, which is less than one batch of 16"),
        ("[training]\nbatch = 8", "'training'"),
        ("batch == 8", "is not valid TOML"),
    ],
)
def test_a_mistake_in_toml_is_named(text: str, words: str, tmp_path: Path):
    with pytest.raises(SettingError) as error:
        from_toml(DeltaDiffRecipe(), _toml(tmp_path, text))
    assert "recipe.toml" in str(error.value)
    assert words in str(error.value)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_toml(name: str, tmp_path: Path):
    file = _toml(tmp_path, to_toml(RECIPES[name]))
    assert from_toml(None, file) == from_toml(RECIPES[name], file) == RECIPES[name]


def test_a_file_without_a_system_changes_the_default_recipe(tmp_path: Path):
    assert from_toml(None, _toml(tmp_path, "batch = 8")) == replace(RECIPES[DEFAULT_RECIPE], batch=8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_system_of_a_file_chooses_its_plain_recipe(kind: type[Recipe], tmp_path: Path):
    system = kind.__struct_config__.tag
    recipe = from_toml(None, _toml(tmp_path, f'system = "{system}"\nbatch = 8'))
    assert recipe == replace(RECIPES[DEFAULT_RECIPE] if kind is DeltaDiffRecipe else kind(), batch=8)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('system = "rrdb"', "is for the system 'rrdb', and the recipe trains 'deltadiff'; name another --recipe"),
        ('system = "gan"', "sets 'system' to 'gan'; known are deltadiff, resshift, rrdb, vq"),
        ("system = [1]", "sets 'system' to [1]; known are"),
    ],
)
def test_another_system_than_the_recipe_s_is_told(text: str, words: str, tmp_path: Path):
    with pytest.raises(SettingError) as error:
        from_toml(DeltaDiffRecipe(), _toml(tmp_path, text))
    assert words in str(error.value)


def _numbers(kind: msgspec.inspect.Type) -> list[msgspec.inspect.IntType | msgspec.inspect.FloatType]:
    """The numbers that a field may hold: itself, those in its lists, or its alternatives."""
    if isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        return [kind]
    parts = getattr(kind, "item_types", None) or getattr(kind, "types", None) or [getattr(kind, "item_type", None)]
    return [number for part in parts if part is not None for number in _numbers(part)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_has_a_least_and_a_largest_value(kind: type[Recipe]):
    fields = msgspec.inspect.type_info(kind).fields
    assert sum(bool(_numbers(field.type)) for field in fields) > 15
    for field in fields:
        for number in _numbers(field.type):
            assert number.ge is not None or number.gt is not None, field.name
            assert number.le is not None or number.lt is not None, field.name


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 2**70), ("batch", 10**12), ("workers", 10**6), ("images", 10**18), ("warmup", 10**18),
        ("learning_rate", 10**400), ("learning_rate", 10**30), ("clip", float("inf")), ("clip", float("nan")),
        ("validation_pictures", 10**400), ("steps", 10**9), ("crop", 2**40), ("shrink", 10**5),
        ("save_every", 10**400), ("betas", [float("nan"), 0.9]), ("betas", [10**400, 0.9]),
        ("step_weights", [10**400] * 4), ("step_weights", [1.0, 1.0, 1.0, float("inf")]),
    ],
)  # fmt: skip
def test_numbers_beyond_their_bounds_are_named(key: str, value: Any, tmp_path: Path):
    text = f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
    for read in (
        lambda: from_toml(DeltaDiffRecipe(), _toml(tmp_path, f"{key} = {text}")),
        lambda: from_assignments(DeltaDiffRecipe(), [f"{key}={text}"]),
        lambda: checked(DeltaDiffRecipe(**{key: tuple(value) if isinstance(value, list) else value})),
    ):
        with pytest.raises(ValueError, match=key) as error:
            read()
        assert len(str(error.value)) < 350


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"batch = {'9' * 400}", "cannot set 'batch' to 9999"),
        (f"batch = {'9' * 5000}", "is not valid TOML"),
        (f"batch = 0x{'f' * 5000}", "cannot set 'batch' to a value too long to print: expected `int` <= 65536"),
        (f"batch = [0x{'f' * 5000}]", "cannot set 'batch' to a value too long to print"),
        (f"batch = {'[' * 5000}{']' * 5000}", "is nested too deeply"),
        ("\0", "is not valid TOML"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_or_printed_is_told_in_a_sentence(text: str, words: str, tmp_path: Path):
    with pytest.raises(SettingError) as error:
        from_toml(DeltaDiffRecipe(), _toml(tmp_path, text))
    assert words in str(error.value)
    assert len(str(error.value)) < 350


def test_a_resumed_run_changes_how_long_it_goes_on_and_nothing_that_it_learns_by():
    changes = dict.fromkeys(CHANGEABLE, 32)
    assert resumed(DeltaDiffRecipe(), changes) == replace(DeltaDiffRecipe(), **changes)
    assert resumed(DeltaDiffRecipe(), {"images": "64"}).images == 64
    for key in {field.name for field in msgspec.structs.fields(DeltaDiffRecipe)} - set(CHANGEABLE):
        with pytest.raises(SettingError, match=f"A resumed run keeps '{key}' as it began; what can be set is images, "):
            resumed(DeltaDiffRecipe(), {key: getattr(DeltaDiffRecipe(), key)})
    with pytest.raises(SettingError, match="The resumed run cannot set 'images' to 0: expected `int` >= 1"):
        resumed(DeltaDiffRecipe(), {"images": 0})


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(SettingError, match=r"absent\.toml cannot be read: No such file"):
        from_toml(DeltaDiffRecipe(), tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("batches=8", "--set sets 'batches', which this recipe has not"),
        ("batch", "--set takes key=value; 'batch' has no '='"),
        ("batch=eight", "--set cannot set 'batch' to 'eight': expected `int`"),
        ("batch=8.5", "'batch'"),
        ("batch=", "'batch'"),
        ("compile=maybe", "'compile'"),
        ("learning_rate=nan", "'learning_rate'"),
        ("learning_rate=0", "expected `float` > 0.0"),
        ("eta_T=1.5", "expected `float` <= 1.0"),
        ("unroll=sideways", "'unroll'"),
        ("betas=0.9,nine", "'betas'"),
        ("step_weights=1,1", "step_weights has 2 values for 4 steps"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(assignment: str, words: str):
    with pytest.raises(SettingError) as error:
        from_assignments(DeltaDiffRecipe(), [assignment])
    assert words in str(error.value)


def test_a_key_given_twice_is_a_mistake():
    with pytest.raises(SettingError, match="--set gives 'batch' twice"):
        from_assignments(DeltaDiffRecipe(), ["batch=8", "loss=l1", "batch=9"])


@pytest.mark.parametrize("changes", [{"crop": "24"}, {"unroll": "sideways"}, {"crop": 3}, {"scale": 1}])
def test_recipes_made_in_python_are_checked_too(changes: dict[str, Any]):
    (key,) = changes
    with pytest.raises(SettingError, match=f"The recipe cannot set '{key}'"):
        checked(DeltaDiffRecipe(**changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unroll": "teacher-forced", "step_weights": (1.0, 1.0, 1.0, 1.0)}, "step_weights has no effect"),
        ({"optimizer": "muon", "weight_decay": 0.1}, "weight_decay acts on"),
        ({"precision": "bf16"}, "precision is float32: it does not run"),
        ({"warmup": 320_000}, "warmup is not over"),
        ({"decay": "none", "decay_end": 0.1}, "decay_end has no effect"),
        ({"steps": 2, "p": 0.5}, "p has no effect"),
        ({"steps": 1, "eta_1": 0.1}, "eta_1 has no effect"),
        ({"images": 1_605, "warmup": 0}, "the last 5 crops"),
        ({"default_fidelity": 0.5}, "default_fidelity has no effect without dial"),
    ],
)
def test_settings_without_effect_are_told(changes: dict[str, Any], words: str):
    (note,) = ignored(DeltaDiffRecipe(**changes), against_bf16="it does not run")
    assert words in note


def test_resshift_paper_has_the_papers_shifting_sequence():
    recipe = RECIPES["resshift-paper"]
    schedule = recipe.shifting_sequence(kappa=recipe.kappa)
    assert schedule.eta == pytest.approx(PRESETS["resshift-paper"].eta, rel=1e-12)
    assert (recipe.images / recipe.batch, recipe.learning_rate, recipe.decay) == (500_000, 5e-5, "none")


def test_resshift_journal_is_the_released_configuration():
    """`realsr_swinunet_realesrgan256_journal` of the released code."""
    recipe = RECIPES["resshift-journal"]
    schedule = recipe.shifting_sequence(kappa=recipe.kappa)
    assert schedule.eta == pytest.approx(PRESETS["resshift-s4"].eta, rel=1e-12)
    assert (recipe.batch, recipe.images / recipe.batch, recipe.warmup / recipe.batch) == (96, 400_000, 5_000)
    assert recipe.learning_rate * learning_rate_factor(recipe.images, recipe) == pytest.approx(2e-5)
    assert (recipe.loss, recipe.lpips, recipe.lpips_network) == ("l2", 1.0, "vgg")


@pytest.mark.parametrize("name", RECIPES)
def test_nothing_is_told_where_all_settings_count(name: str):
    assert ignored(RECIPES[name], against_bf16=None) == []


@pytest.mark.parametrize(
    "changes", [{"dial": "true"}, {"dial": "true", "lpips": "0.1", "unroll": "teacher-forced"}], ids=str
)
def test_a_dial_needs_something_to_turn_towards(changes: dict[str, str]):
    with pytest.raises(SettingError, match="dial needs lpips or adversarial above zero, and unroll"):
        from_assignments(RECIPES["deltadiff-tiny-x4"], [f"{key}={value}" for key, value in changes.items()])


def test_a_discriminator_needs_a_result():
    with pytest.raises(SettingError, match="adversarial needs a result to compare"):
        from_assignments(RECIPES["deltadiff-tiny-x4"], ["adversarial=0.1", "unroll=teacher-forced"])


def test_the_grid_is_that_of_pixels():
    with pytest.raises(SettingError, match="grid is for pixel-unshuffled codes, and first_stage is 'vq'"):
        from_assignments(RECIPES["resshift-paper"], ["grid=1"])


def test_patience_cannot_end_a_run_while_its_model_rests():
    with pytest.raises(SettingError, match="patience would end a run by phases while the model rests"):
        from_assignments(RECIPES["rrdb-gan"], ["alternation=phases", "patience=3"])


def test_recipes_take_every_kind_of_degradation():
    assert set(get_args(DegradationKind)) == set(DEGRADATIONS)
