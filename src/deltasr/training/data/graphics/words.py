"""Random words, sentences, numbers, dates and lines of code, for text in pictures."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

LANGUAGES: dict[str, tuple[str, str]] = {
    "english": (
        "ascii",
        "the of and a to in is you that it he was for on are as with his they at be this have from or one had by word "
        "but not what all were we when your can said there use an each which she do how their if will up other about "
        "out many then them these so some her would make like him into time has look two more write go see number no "
        "way could people my than first water been call who oil its now find long down day did get come made may part "
        "over new sound take only little work know place years live back give most very after things our just name "
        "good sentence man think say great where help through much before line right too means old any same tell boy "
        "follow came want show also around form three small set put end does another well large must big even such",
    ),
    "german": (
        "latin",
        "der die das und ist nicht mit für über können müssen Straße Größe schön Mädchen früh später gehören Häuser "
        "Übung Öffnung Wasser Himmel Fenster zwischen während Zeit groß weiß möglich Brücke Gemüse Schlüssel heute",
    ),
    "french": (
        "latin",
        "le la les des une est pas avec être déjà été où élève forêt garçon français très après même tête ça leçon "
        "hôpital maïs noël île cœur œuvre goût âge château première année numéro réponse côté quelque histoire",
    ),
    "spanish": (
        "latin",
        "el la los una que no más año niño señor mañana corazón también después aquí así días música país razón "
        "pequeño español montaña camión jardín árbol médico último agua tiempo ciudad siempre trabajo casa grande",
    ),
    "polish": (
        "latin",
        "nie jest się że święto łódź źródło ćwiczenie pięć książka żółty ręka ząb mąż dziękuję szczęście góra wąż "
        "miasto pociąg dzień czerwony wieczór późno słońce księżyc zamek droga powietrze śnieg chłopiec",
    ),
    "turkish": (
        "latin",
        "bir ve için değil güneş çocuk şehir ağaç öğrenci ışık sıcak küçük büyük gün gece yıldız deniz kapı söz "
        "yağmur kuş gökyüzü çiçek yol şimdi sonra önce güzel İstanbul ülke dünya türkçe",
    ),
    "greek": (
        "greek",
        "και το να είναι δεν από θάλασσα ήλιος νερό άνθρωπος ημέρα νύχτα δρόμος πόλη φως ψωμί χρόνος ζωή ξένος "
        "βιβλίο γλώσσα μητέρα ουρανός σπίτι καλημέρα ευχαριστώ μέγεθος αριθμός",
    ),
    "russian": (
        "cyrillic",
        "и в не на что он это как город вода время человек день жизнь рука дом слово дорога книга мир утро вечер "
        "солнце небо зима счастье большой щука подъезд ещё хорошо работа сейчас объект цвет юг ёлка",
    ),
    "chinese": ("cjk", "中文 文字 山水 日本 水火 木 火山 中山 日文 山水文字 本日 中日"),
}
"""Language to the alphabet of `fonts.ALPHABETS` that it needs, and some of its words."""

_ENDINGS = ".....?!:"
_MONTHS, _NAMES, _LABELS, _NOUNS, _VERBS, _TYPES = (
    words.split()
    for words in (
        "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
        "Anna Ben Clara David Emma Felix Grace Hugo Iris Jonas Kim Lena Marco Nora Oscar Paula Quinn Rosa Sam Tara",
        "File Edit View Insert Format Tools Window Help Home Search Settings Profile Account Messages Cancel Save "
        "Open Close Delete Next Back Continue Submit Login Share Download Upload Copy Paste New Apply Reset "
        "Details Overview Reports Privacy Network Display Sound Battery Storage Language Security Updates About "
        "Price Total Name Date Status Owner Type Size Amount Country Email Password Address Phone Notes Title "
        "Today Week Month Year Inbox Drafts Sent Archive",
        "data item count index value node user path file size name list result total key line step page user buffer",
        "get set load save parse make read write find sort merge draw count check update remove open close",
        "int float str bool double char void auto string size_t",
    )
)

Token = tuple[str, str]
"""A piece of a line of code, and its kind: keyword, name, call, string, number, comment or sign."""


@dataclass(frozen=True)
class Writer:
    """Random text from a generator, in one language.

    Attributes:
        rng: source of all random choices.
        language: a key of `LANGUAGES`.
    """

    rng: Random
    language: str = "english"

    @classmethod
    def for_alphabets(cls, rng: Random, alphabets: tuple[str, ...]) -> Writer:
        """A writer in a language of these alphabets; English half of the time."""
        able = [name for name, (alphabet, _) in LANGUAGES.items() if alphabet in alphabets]
        return cls(rng, "english" if not able or rng.random() < 0.5 else rng.choice(able))

    def word(self) -> str:
        return self.rng.choice(_VOCABULARY[self.language])

    def words(self, count: int) -> str:
        return " ".join(self.word() for _ in range(count))

    def sentence(self) -> str:
        rng = self.rng
        words = [self.word() for _ in range(rng.randint(4, 14))]
        for place in range(1, len(words)):
            random_number = rng.random()
            if random_number < 0.04:
                words[place] = self.number()
            elif random_number < 0.06:
                words[place] = f"({words[place]})"
            elif random_number < 0.12:
                words[place] += ","
        words[0] = words[0][:1].upper() + words[0][1:]
        return " ".join(words).rstrip(",") + rng.choice(_ENDINGS)

    def paragraph(self, sentences: int) -> str:
        return " ".join(self.sentence() for _ in range(sentences))

    def title(self, most: int = 5) -> str:
        """One to `most` words; capitalised, or all in capitals."""
        words = self.words(self.rng.randint(1, most))
        random_number = self.rng.random()
        if random_number < 0.2:
            return words.upper()
        return words.title() if random_number < 0.5 else words[:1].upper() + words[1:]

    def label(self) -> str:
        """A label of a button or a menu entry."""
        if self.language == "english" or self.rng.random() < 0.3:
            return self.rng.choice(_LABELS)
        return self.word().capitalize()

    def name(self) -> str:
        """A person's first name."""
        return self.rng.choice(_NAMES)

    def number(self) -> str:
        rng = self.rng
        return rng.choice(
            [
                str(rng.randint(0, 99)),
                str(rng.randint(1900, 2030)),
                f"{rng.randint(0, 999_999):,}",
                f"{rng.uniform(0, 100):.{rng.randint(1, 3)}f}",
                f"{rng.randint(1, 100)}%",
                f"${rng.uniform(1, 2000):,.2f}",
                f"-{rng.uniform(0, 10):.2f}",
            ]
        )

    def date(self) -> str:
        rng = self.rng
        year, month, day = rng.randint(1950, 2030), rng.randint(1, 12), rng.randint(1, 28)
        return rng.choice(
            [
                f"{year}-{month:02}-{day:02}",
                f"{day}.{month}.{year}",
                f"{month}/{day}/{year % 100:02}",
                f"{_MONTHS[month - 1]} {day}, {year}",
                f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}",
            ]
        )

    def value(self) -> str:
        """A value for a cell of a table."""
        return self.rng.choice([self.number, self.number, self.date, self.label, self.name])()

    def identifier(self) -> str:
        rng = self.rng
        parts = [rng.choice(_VERBS), rng.choice(_NOUNS)][rng.randint(0, 1) :]
        if rng.random() < 0.3:
            return parts[0] + "".join(part.title() for part in parts[1:])
        return "_".join(parts)

    def code(self) -> tuple[int, list[Token]]:
        """A line of a program: its indentation, and its pieces; none for an empty line."""
        rng, name = self.rng, self.identifier
        indent = rng.choice([0, 1, 1, 1, 2, 2, 3])
        number = str(rng.choice([0, 1, 2, 10, 42, 255, 0.5, 3.14, 1e-3]))
        text = f'"{self.words(rng.randint(1, 3))}"'
        lines: list[list[Token]] = [
            [],
            [("// " if rng.random() < 0.5 else "# ", "comment"), (self.words(rng.randint(2, 6)), "comment")],
            [("def ", "keyword"), (name(), "call"), ("(", "sign"), (name(), "name"), ("):", "sign")],
            [("return ", "keyword"), (name(), "name"), (" + ", "sign"), (number, "number")],
            [("if ", "keyword"), (name(), "name"), (" > ", "sign"), (number, "number"), (":", "sign")],
            [("for ", "keyword"), ("i", "name"), (" in ", "keyword"), (name(), "name"), (":", "sign")],
            [(name(), "name"), (" = ", "sign"), (name(), "call"), ("(", "sign"), (text, "string"), (")", "sign")],
            [(name(), "name"), (" = ", "sign"), (number, "number"), (";", "sign")],
            [
                (rng.choice(_TYPES), "keyword"),
                (f" {name()}", "name"),
                ("[", "sign"),
                (number, "number"),
                ("];", "sign"),
            ],
            [(name(), "name"), (".", "sign"), (name(), "call"), ("(", "sign"), (number, "number"), (")", "sign")],
            [("import ", "keyword"), (rng.choice(_NOUNS), "name")],
            [
                ("<", "sign"),
                (rng.choice(_NOUNS), "keyword"),
                (" id", "name"),
                ("=", "sign"),
                (text, "string"),
                (">", "sign"),
            ],
            [("}", "sign")],
        ]
        return indent, rng.choice(lines)

    def command(self) -> str:
        """A line of a terminal."""
        rng = self.rng
        file = f"{self.identifier()}.{rng.choice(['py', 'txt', 'png', 'rs', 'log'])}"
        return rng.choice(
            [
                f"$ {rng.choice(['ls -la', 'cat', 'rm', 'git add', 'python', 'vim'])} {file}",
                f"-rw-r--r-- 1 {self.name().lower()} {rng.randint(10, 99_999):>6} {file}",
                f"[{self.date()}] INFO {self.words(4)}",
                f"error: {self.words(3)} at {file}:{rng.randint(1, 400)}",
                f"{rng.randint(1, 100):>3}% |{'#' * rng.randint(1, 20)}",
                self.words(rng.randint(3, 9)),
                "",
            ]
        )


_VOCABULARY = {language: words.split() for language, (_, words) in LANGUAGES.items()}
