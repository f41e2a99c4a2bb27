"""What can be said of a person, a place or a thing, in several ways, and asked about it in others.

In a sentence `{s}` is who or what is spoken of, and every other slot is a kind of `names`, with a
number where there are two of a kind. A question names what it does not ask for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Relation:
    """Ways to say something, and for each slot that can be asked for, ways to ask."""

    says: Sequence[str]
    asks: Mapping[str, Sequence[str]]


PERSON = (
    Relation(
        (
            "{s} was born in {city} in {year}.",
            "{s} was born on {date} in {city}.",
            "Born in {city} in {year}, {s} was the son of a {job}.",
            "{s} came from {city} and was born in {year}.",
        ),
        {
            "city": (
                "Where was {s} born?",
                "In which city was {s} born?",
                "What is the birthplace of {s}?",
                "What city did {s} come from?",
            ),
            "year": ("When was {s} born?", "In what year was {s} born?", "What year was {s} born?"),
            "date": ("When was {s} born?", "On what date was {s} born?"),
        },
    ),
    Relation(
        (
            "{s} studied {field} at {school} from {year}.",
            "In {year}, {s} entered {school} to study {field}.",
            "{s} took a degree in {field} at {school} and later taught there.",
            "At {school} {s} read {field} under {person}.",
        ),
        {
            "field": (
                "What did {s} study?",
                "What subject did {s} study at {school}?",
                "In what field did {s} take a degree?",
            ),
            "school": (
                "Where did {s} study {field}?",
                "Which university did {s} attend?",
                "Where did {s} go to university?",
                "At what school did {s} study?",
            ),
            "year": ("When did {s} begin to study?", "In what year did {s} enter {school}?"),
            "person": ("Who taught {s} at {school}?", "Under whom did {s} study?"),
        },
    ),
    Relation(
        (
            "{s} worked as a {job} for {duration} before settling in {city}.",
            "For {duration} {s} was a {job} in {city}.",
            "{s}, who was a {job} by trade, settled in {city} after {duration} abroad.",
            "{s} earned a living as a {job} in {city}.",
        ),
        {
            "job": (
                "What was {s}'s profession?",
                "What did {s} do for a living?",
                "What was the occupation of {s}?",
                "What did {s} work as?",
            ),
            "duration": (
                "How long did {s} work as a {job}?",
                "For how long was {s} a {job}?",
                "How long was {s} a {job}?",
            ),
            "city": ("Where did {s} settle?", "In which city did {s} live?"),
        },
    ),
    Relation(
        (
            "{s} married {person} in {year}.",
            "In {year} {s} and {person} were married in {city}.",
            "{s} was married to {person}, with whom there were {count} letters exchanged.",
        ),
        {
            "person": (
                "Who did {s} marry?",
                "Whom did {s} marry?",
                "To whom was {s} married?",
                "What was the name of the person {s} married?",
            ),
            "year": ("When did {s} marry?", "In what year did {s} get married?"),
            "city": ("Where did {s} get married?", "Where was {s} married?"),
        },
    ),
    Relation(
        (
            "{s} wrote “{work}”, which was published in {year}.",
            "In {year} {s} published the novel {work}.",
            "The best known book by {s} is {work}, which sold {count} copies.",
            "{s} spent {duration} writing {work}, a book about {animals}.",
        ),
        {
            "work": (
                "What did {s} publish in {year}?",
                "What was the name of the book {s} wrote?",
                "What is the title of {s}'s best known book?",
                "Which book did {s} write?",
            ),
            "year": ("When was {work} published?", "In what year did {s} publish {work}?"),
            "count": ("How many copies of {work} were sold?", "How many copies did {work} sell?"),
            "duration": (
                "How long did it take {s} to write {work}?",
                "How much time did {s} spend writing {work}?",
            ),
            "animals": ("What is {work} about?", "What animals did {s} write about?"),
            "s": (
                "Who wrote {work}?",
                "Who is the author of {work}?",
                "Which author published {work}?",
            ),
        },
    ),
    Relation(
        (
            "{s} invented {device} in {year}.",
            "{device}, which was invented by {s}, uses {part}.",
            "In {year} {s} built the first model of {device} with the help of {person}.",
        ),
        {
            "device": ("What did {s} invent?", "What was invented by {s}?", "What did {s} build?"),
            "year": ("When was {device} invented?", "In what year did {s} invent {device}?"),
            "s": (
                "Who invented {device}?",
                "Who was the inventor of {device}?",
                "Who built {device}?",
            ),
            "part": ("What does {device} use?", "What is used in {device}?"),
            "person": ("Who helped {s}?", "Who helped {s} build {device}?"),
        },
    ),
    Relation(
        (
            "{s} died of a fever in {year} and was buried in {city}.",
            "{s} died in {city} on {date}.",
            "After {duration} of illness, {s} died at home in {city}.",
        ),
        {
            "city": ("Where did {s} die?", "Where is {s} buried?", "In which city did {s} die?"),
            "year": ("When did {s} die?", "In what year did {s} die?"),
            "date": ("When did {s} die?", "What was the date of {s}'s death?"),
            "duration": ("How long was {s} ill?", "How long was {s} ill before death?"),
        },
    ),
    Relation(
        (
            "{s} was elected {position} of {country} in {year}.",
            "In {year}, {s} became {position} of {society}.",
            "{s} served as {position} of {country} for {duration}.",
            "{group} chose {s} as {position} after {cause}.",
        ),
        {
            "position": (
                "What position did {s} hold?",
                "What office did {s} hold?",
                "What did {s} become in {year}?",
            ),
            "country": (
                "Which country did {s} lead?",
                "What country elected {s} as {position}?",
                "Of what country was {s} {position}?",
            ),
            "year": ("When did {s} become {position}?", "In what year was {s} elected {position}?"),
            "duration": ("How long did {s} serve as {position}?", "How long was {s} in office?"),
            "society": ("Which organization did {s} lead?", "What did {s} become {position} of?"),
            "group": ("Who chose {s} as {position}?", "Who made {s} {position}?"),
            "s": (
                "Who was elected {position} of {country}?",
                "Who became {position} in {year}?",
                "Who was the {position} of {country}?",
            ),
        },
    ),
    Relation(
        (
            "{s} left {city} because of {cause}.",
            "Because of {cause}, {s} moved from {city} to {city2}.",
            "{s} fled to {city2} in {year}, driven out by {cause}.",
            "In {year} {s} returned to {city2} {aim}.",
        ),
        {
            "cause": (
                "Why did {s} leave {city}?",
                "Why did {s} move?",
                "What made {s} leave?",
                "What caused {s} to flee?",
            ),
            "aim": ("Why did {s} return to {city2}?", "For what purpose did {s} return?"),
            "city2": (
                "Where did {s} move to?",
                "To where did {s} go in {year}?",
                "Where did {s} flee?",
            ),
            "year": ("When did {s} move to {city2}?", "In what year did {s} go to {city2}?"),
        },
    ),
    Relation(
        (
            "{s} discovered {substance} in {year} while working on {goods}.",
            "The discovery of {substance} by {s} was announced in {year}.",
        ),
        {
            "substance": ("What did {s} discover?", "What substance did {s} find?"),
            "year": (
                "When was {substance} discovered?",
                "In what year did {s} discover {substance}?",
            ),
            "s": ("Who discovered {substance}?", "Which scientist discovered {substance}?"),
            "goods": ("What was {s} working on?", "What was {s} working on in {year}?"),
        },
    ),
    Relation(
        (
            "{s} spoke {tongue} and played the {instrument}.",
            "As a child {s} learned {tongue} from a {job} and practised the {instrument}.",
        ),
        {
            "tongue": ("What language did {s} speak?", "Which language did {s} learn?"),
            "instrument": ("What instrument did {s} play?", "Which instrument could {s} play?"),
            "job": ("Who taught {s} {tongue}?", "From whom did {s} learn {tongue}?"),
        },
    ),
    Relation(
        (
            "{s} argued that {law} should be abolished, and was supported by {group}.",
            "Supported by {group}, {s} fought against {law}, the result of {cause}.",
        ),
        {
            "law": ("What did {s} want to abolish?", "What did {s} fight against?"),
            "group": ("By whom was {s} supported?", "Who supported {s}?"),
            "s": ("Who argued against {law}?", "Who wanted to abolish {law}?"),
            "cause": ("What was {law} the result of?", "What led to {law}?"),
        },
    ),
    Relation(
        (
            "{s} was paid {money} for the work on {building}.",
            "{s} designed {building}, for which the fee was {money}.",
            "{building} was designed by {s} in the {style} style.",
        ),
        {
            "money": ("How much was {s} paid?", "How much did {s} earn for {building}?"),
            "building": ("What did {s} design?", "Which building was designed by {s}?"),
            "s": ("Who designed {building}?", "Who was the architect of {building}?"),
            "style": ("In what style is {building}?", "What style is {building} built in?"),
        },
    ),
)

CITY = (
    Relation(
        (
            "{s} lies on {river}, {length} from the coast.",
            "{s} is situated on {river} at the foot of {mountain}.",
            "{s}, which stands on the banks of {river}, has {count} inhabitants.",
        ),
        {
            "river": (
                "On which river does {s} lie?",
                "What river is {s} situated on?",
                "Which river flows through {s}?",
            ),
            "length": ("How far is {s} from the coast?", "How far from the sea is {s}?"),
            "mountain": ("At the foot of which mountain is {s}?", "What mountain is near {s}?"),
            "count": (
                "How many people live in {s}?",
                "What is the population of {s}?",
                "How many inhabitants does {s} have?",
            ),
        },
    ),
    Relation(
        (
            "{s} was founded in {time} by {person}.",
            "{s} was settled in {time} by {group}.",
            "{person} founded {s} in {time} {aim}.",
        ),
        {
            "person": (
                "Who founded {s}?",
                "Who was the founder of {s}?",
                "By whom was {s} founded?",
            ),
            "group": ("Who settled {s}?", "Who were the first settlers of {s}?"),
            "time": (
                "When was {s} founded?",
                "In what year was {s} settled?",
                "When did {s} begin?",
            ),
            "aim": ("Why was {s} founded?", "For what reason did {person} found {s}?"),
        },
    ),
    Relation(
        (
            "The economy of {s} is based on {goods}.",
            "{s} is known for its {goods}, which it exports to {country}.",
            "Most of the {goods} sold in {country} comes from {s}.",
            "In {year}, {s} exported {goods} worth {money}.",
        ),
        {
            "goods": (
                "What is {s} known for?",
                "What does {s} export?",
                "What is the economy of {s} based on?",
                "What comes from {s}?",
            ),
            "country": ("Where does {s} export its {goods}?", "To which country does {s} export?"),
            "money": (
                "How much were the exports of {s} worth?",
                "What was the value of the {goods}?",
            ),
            "s": (
                "Which city is known for its {goods}?",
                "Where does most of the {goods} come from?",
            ),
        },
    ),
    Relation(
        (
            "{cause} forced {count} people to leave {s} in {year}.",
            "The population of {s} fell by {share} in {year} as a result of {cause}.",
        ),
        {
            "cause": (
                "Why did people leave {s}?",
                "What caused the population of {s} to fall?",
            ),
            "count": ("How many people left {s}?", "How many people were forced to leave {s}?"),
            "share": (
                "By how much did the population of {s} fall?",
                "What percentage of {s} was lost?",
            ),
            "year": ("When did people leave {s}?", "In what year did the population of {s} fall?"),
        },
    ),
    Relation(
        (
            "The oldest building in {s} is {building}, finished in {year}.",
            "{building}, in the centre of {s}, was built in the {style} style.",
            "Visitors to {s} can see {building}, which is {length} long.",
            "It took {duration} to build {building} in {s}.",
        ),
        {
            "building": ("What is the oldest building in {s}?", "What is in the centre of {s}?"),
            "year": ("When was {building} finished?", "When was {building} in {s} completed?"),
            "style": ("In what style was {building} built?", "What is the style of {building}?"),
            "length": ("How long is {building}?", "What is the length of {building}?"),
            "duration": (
                "How long did it take to build {building}?",
                "How long did the construction of {building} last?",
            ),
            "s": ("Where is {building}?", "In which city is {building} located?"),
        },
    ),
    Relation(
        (
            "About {share} of the people in {s} speak {tongue}.",
            "The main language of {s} is {tongue}, followed by {tongue2}.",
        ),
        {
            "share": (
                "What percentage of the people in {s} speak {tongue}?",
                "How many of the people of {s} speak {tongue}?",
            ),
            "tongue": (
                "What is the main language of {s}?",
                "What language do people in {s} speak?",
            ),
            "tongue2": ("What is the second language of {s}?", "Which language follows {tongue}?"),
        },
    ),
    Relation(
        (
            "{s} is the capital of {country}.",
            "{s} became the capital of {country} in {year}, replacing {city}.",
            "{s} is the {largest} city in {region}.",
        ),
        {
            "country": ("What is {s} the capital of?", "Which country has {s} as its capital?"),
            "year": (
                "When did {s} become the capital?",
                "In what year did {s} become the capital?",
            ),
            "city": ("What was the capital before {s}?", "Which city did {s} replace?"),
            "region": ("In which region is {s}?", "Where is {s} located?"),
            "s": (
                "What is the capital of {country}?",
                "Which city is the capital of {country}?",
                "What is the {largest} city in {region}?",
            ),
        },
    ),
)

THING = {
    "company": (
        Relation(
            (
                "{s} was founded by {person} in {year}.",
                "{person} started {s} in {year} with {money}.",
                "{s}, founded in {year}, has its headquarters in {city}.",
            ),
            {
                "person": ("Who founded {s}?", "Who started {s}?", "Who is the founder of {s}?"),
                "year": ("When was {s} founded?", "In what year was {s} started?"),
                "money": (
                    "How much money was {s} started with?",
                    "With how much did {person} start {s}?",
                ),
                "city": ("Where is {s} based?", "Where are the headquarters of {s}?"),
                "s": ("What did {person} found?", "Which company did {person} start?"),
            },
        ),
        Relation(
            (
                "{s} makes {goods} and employs {count} people.",
                "{s} employs {count} workers, {share} of whom are women.",
                "In {year} {s} made a profit of {money} from {goods}.",
            ),
            {
                "goods": ("What does {s} make?", "What does {s} produce?", "What is sold by {s}?"),
                "count": (
                    "How many people does {s} employ?",
                    "How many employees does {s} have?",
                    "How many workers are there at {s}?",
                ),
                "share": (
                    "What share of the workers of {s} are women?",
                    "What percentage are women?",
                ),
                "money": ("How much profit did {s} make?", "What was the profit of {s} in {year}?"),
            },
        ),
        Relation(
            (
                "{s} was bought by {company} for {money} in {year}.",
                "In {year}, {company} bought {s} from {company2}.",
                "{company} paid {money} for {s} in {year}.",
            ),
            {
                "company": ("Who bought {s}?", "Which company bought {s}?", "Who paid for {s}?"),
                "company2": ("Who sold {s}?", "From whom was {s} bought?"),
                "money": ("How much was paid for {s}?", "For how much was {s} bought?"),
                "year": ("When was {s} bought?", "In what year was {s} sold?"),
            },
        ),
        Relation(
            (
                "{s} went bankrupt in {year} because of {cause}.",
                "Because of {cause}, {s} was closed in {year}.",
            ),
            {
                "cause": ("Why did {s} go bankrupt?", "What caused {s} to fail?"),
                "year": ("When did {s} go bankrupt?", "In what year was {s} closed?"),
            },
        ),
    ),
    "war": (
        Relation(
            (
                "{s} began in {year} and lasted {duration}.",
                "{s} broke out in {year} after {cause}.",
                "{s} was fought between {country} and {country2} near {city}.",
                "{s} was caused by {cause}.",
            ),
            {
                "year": (
                    "When did {s} begin?",
                    "In what year did {s} start?",
                    "When did {s} break out?",
                ),
                "duration": ("How long did {s} last?", "For how long was {s} fought?"),
                "cause": ("What caused {s}?", "Why did {s} break out?", "What led to {s}?"),
                "country2": ("Who did {country} fight in {s}?", "Who was the enemy of {country}?"),
                "city": ("Where was {s} fought?", "Near which city was {s} fought?"),
            },
        ),
        Relation(
            (
                "{count} soldiers died in {s}, most of them from {country}.",
                "{s} cost the lives of {count} soldiers, many of whom came from {country}.",
            ),
            {
                "count": ("How many soldiers died in {s}?", "How many people were killed in {s}?"),
                "country": ("Where did most of the dead of {s} come from?",),
            },
        ),
        Relation(
            (
                "During {s}, {person} led {count} men against {city}.",
                "In {s} {group} were defeated by {person}.",
            ),
            {
                "count": ("How many men did {person} lead?", "How many men attacked {city}?"),
                "person": ("Who led the men in {s}?", "Who was the leader in {s}?"),
                "city": ("Which city was attacked during {s}?", "What did {person} attack?"),
                "group": ("Who was defeated in {s}?", "Who lost {s}?"),
            },
        ),
        Relation(
            (
                "{s} ended with {law}, signed in {city} on {date}.",
                "{law}, which was signed in {city}, put an end to {s}.",
            ),
            {
                "law": ("How did {s} end?", "What ended {s}?", "What treaty ended {s}?"),
                "city": ("Where was {law} signed?", "Where was the treaty that ended {s} signed?"),
                "date": ("When was {law} signed?", "When did {s} end?"),
            },
        ),
    ),
    "law": (
        Relation(
            (
                "{s} was passed in {year} {aim}.",
                "{s}, signed by {person} in {year}, forbade the sale of {goods}.",
                "In {year}, {person} signed {s} {aim}.",
            ),
            {
                "aim": ("Why was {s} passed?", "What was the purpose of {s}?"),
                "year": ("When was {s} passed?", "In what year was {s} signed?"),
                "person": ("Who signed {s}?", "By whom was {s} signed?"),
                "goods": ("What did {s} forbid the sale of?", "The sale of what was forbidden?"),
                "s": ("What forbade the sale of {goods}?", "What did {person} sign?"),
            },
        ),
        Relation(
            (
                "{s} gave {group} the right to own land.",
                "Thanks to {s}, {group} could own land.",
            ),
            {
                "group": (
                    "Who was given the right to own land?",
                    "Whom did {s} allow to own land?",
                ),
                "s": ("What gave {group} the right to own land?",),
            },
        ),
        Relation(
            (
                "Under {s}, {group} had to pay {money} a year.",
                "{s} forced {group} to pay {money} each year.",
            ),
            {
                "group": ("Who had to pay under {s}?", "Who was forced by {s} to pay?"),
                "money": (
                    "How much had to be paid under {s}?",
                    "How much did {group} have to pay?",
                ),
            },
        ),
    ),
    "creature": (
        Relation(
            (
                "{s} lives in {region} and feeds on {animals}.",
                "{s} eats mainly {animals}, which it hunts at night.",
                "{s} is found in {region}, where it is threatened by {cause}.",
                "There are only {count} of {s} left in {country}.",
                "{s} can live for {duration} and travel {length} in a day.",
            ),
            {
                "animals": (
                    "What does {s} eat?",
                    "What does {s} feed on?",
                    "What is hunted by {s}?",
                ),
                "region": (
                    "Where does {s} live?",
                    "Where is {s} found?",
                    "In what region is {s} found?",
                ),
                "count": ("How many of {s} are left?", "How many of {s} remain in {country}?"),
                "cause": ("What threatens {s}?", "Why is {s} in danger?"),
                "duration": ("How long can {s} live?", "What is the life span of {s}?"),
                "length": ("How far can {s} travel in a day?", "What distance can {s} travel?"),
            },
        ),
    ),
    "substance": (
        Relation(
            (
                "{s} is made from {goods} and is used {aim}.",
                "{s} consists of {goods} and {share} water.",
                "{s} melts when it is exposed to {part}.",
                "Large amounts of {s} are found in {region}.",
                "{s} is produced by {animals} and turns {goods} into sugar.",
            ),
            {
                "goods": (
                    "What is {s} made from?",
                    "What does {s} consist of?",
                    "From what is {s} made?",
                ),
                "aim": ("What is {s} used for?", "Why is {s} used?"),
                "share": ("How much water is in {s}?", "What percentage of {s} is water?"),
                "part": ("What makes {s} melt?", "What must {s} be exposed to in order to melt?"),
                "region": ("Where is {s} found?", "Where are large amounts of {s} found?"),
                "animals": ("What produces {s}?", "By what is {s} produced?"),
                "s": ("What is made from {goods}?", "What consists of {goods}?"),
            },
        ),
    ),
    "society": (
        Relation(
            (
                "{s} was formed in {year} {aim}.",
                "{s} has {count} members and meets in {city}.",
                "{s} was led by {person}, a {job} from {country}.",
                "{s} is supported by {group} and opposed by {group2}.",
            ),
            {
                "aim": (
                    "Why was {s} formed?",
                    "What was the goal of {s}?",
                    "What is the aim of {s}?",
                ),
                "count": ("How many members does {s} have?", "How many people belong to {s}?"),
                "city": ("Where does {s} meet?", "In which city does {s} meet?"),
                "person": ("Who led {s}?", "Who was the leader of {s}?"),
                "job": ("What was {person}'s profession?", "What was {person} by profession?"),
                "country": ("Where did {person} come from?", "Which country was {person} from?"),
                "group": ("Who supports {s}?", "By whom is {s} supported?"),
                "group2": ("Who opposes {s}?", "By whom is {s} opposed?"),
                "year": ("When was {s} formed?", "In what year was {s} formed?"),
                "s": ("What organization did {person} lead?", "What was {person} the leader of?"),
            },
        ),
        Relation(
            (
                "{s} was banned in {year} after {cause}.",
                "Because of {cause}, {s} was banned in {year}.",
            ),
            {
                "year": ("When was {s} banned?", "In what year was {s} banned?"),
                "cause": ("Why was {s} banned?", "What happened before {s} was banned?"),
                "s": ("What was banned in {year}?", "What organization was banned in {year}?"),
            },
        ),
    ),
    "device": (
        Relation(
            (
                "{s} works by means of {part}.",
                "{s} uses {part} {aim}.",
                "The first {thing} of this kind was {s}, sold for {money} in {year}.",
                "{s} replaced {device} in {year}.",
                "In {s}, {part} turns {part2}.",
            ),
            {
                "part": ("How does {s} work?", "What does {s} use?", "What turns {part2} in {s}?"),
                "part2": ("What is turned in {s}?", "What does {part} turn in {s}?"),
                "aim": ("What is {s} used for?", "Why does {s} use {part}?"),
                "money": ("How much did {s} cost?", "What was the price of {s}?"),
                "device": ("What did {s} replace?", "What was replaced by {s}?"),
                "year": ("When did {s} replace {device}?", "When was {s} sold for {money}?"),
                "s": ("What replaced {device}?", "What works by means of {part}?"),
            },
        ),
    ),
}

RELATIONS: Mapping[str, Sequence[Relation]] = {"person": PERSON, "city": CITY, **THING}

ALSO_NAMED = {
    "city": ("The city", "The town", "It"),
    "company": ("The company", "The firm", "It"),
    "war": ("The war", "It", "The conflict"),
    "law": ("The law", "It"),
    "creature": ("It", "This animal"),
    "substance": ("It", "This substance"),
    "society": ("The group", "It", "The organization"),
    "device": ("It", "The machine"),
}
"""What stands for who or what a sentence begins with, where it was named before."""
