"""The words that names and sentences are made of."""

from __future__ import annotations


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split("|"))


ONSETS = _listed(
    "b|br|c|ch|cl|d|dr|f|fl|g|gl|gr|h|j|k|kl|kr|l|m|n|p|pr|qu|r|s|sc|sh|sk|sl|st|t|th|tr|v|w|z"
)
VOWELS = _listed("a|a|a|e|e|e|i|i|o|o|u|ai|au|ea|ee|ia|io|oo|ou|y")
CODAS = _listed("b|ck|d|ff|g|l|ll|ld|lm|m|mp|n|n|nd|ng|nt|p|r|r|rd|rg|rk|rn|rt|s|ss|st|t|th|tz|x")
WOMEN = _listed(
    "Ada|Agnes|Alice|Anna|Beatrice|Carla|Clara|Diana|Edith|Elena|Eliza|Emma|Esther|Eva|"
    "Fatima|Flora|Grace|Hana|Helen|Ida|Irene|Jane|Julia|Karin|Laura|Leila|Lucy|Maria|Martha|"
    "Mary|Mina|Nadia|Nora|Olga|Petra|Rosa|Ruth|Sara|Sofia|Susan|Teresa|Ursula|Vera|Yuki|Zoe"
)
MEN = _listed(
    "Abel|Adam|Albert|Andrew|Anton|Boris|Carl|Charles|Daniel|David|Edgar|Edward|Emil|Felix|"
    "Frank|George|Hans|Henry|Hugo|Ivan|Jacob|James|John|Josef|Karl|Kenji|Leo|Louis|Marco|"
    "Martin|Max|Nathan|Omar|Oscar|Paul|Peter|Ravi|Richard|Robert|Samuel|Simon|Thomas|Victor|"
    "Walter|William"
)
MONTHS = _listed(
    "January|February|March|April|May|June|July|August|September|October|November|December"
)
SMALL = _listed("two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty")
ORDINALS = _listed("first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth")
JOBS = _listed(
    "architect|astronomer|baker|banker|botanist|carpenter|chemist|clockmaker|composer|"
    "engineer|explorer|farmer|film director|geologist|glassblower|historian|inventor|"
    "journalist|judge|lawyer|librarian|mathematician|merchant|miner|missionary|naturalist|"
    "novelist|nurse|painter|philosopher|photographer|physician|physicist|pilot|playwright|"
    "poet|politician|printer|sculptor|shipbuilder|singer|soldier|surgeon|teacher|translator|"
    "weaver|zoologist"
)
FIELDS = _listed(
    "algebra|anatomy|astronomy|botany|chemistry|civil engineering|economics|geology|geometry|"
    "history|international law|linguistics|logic|marine biology|mathematics|medicine|"
    "moral philosophy|music theory|natural history|nuclear physics|optics|philosophy|physics|"
    "political science|psychology|theology|thermodynamics|zoology"
)
GOODS = _listed(
    "amber|barley|bricks|cedar wood|ceramics|cheese|chemicals|coal|coffee|copper|cotton|"
    "dried fish|furniture|furs|glass|gold|grain|granite|honey|iron ore|leather|lead|"
    "limestone|linen|marble|olive oil|oranges|paper|pearls|pottery|rice|rubber|salt|sheep|"
    "silk|silver|spices|steel|sugar|sulphur|tea|textiles|timber|tin|tobacco|uranium|wheat|"
    "wine|wool"
)
ANIMALS = _listed(
    "bats|bears|beavers|beetles|butterflies|cranes|crows|deer|eels|falcons|foxes|frogs|geese|"
    "goats|herons|lizards|moths|otters|owls|rabbits|rats|salmon|seals|snails|snakes|spiders|"
    "squirrels|swans|trout|turtles|wild horses|wolves"
)
INSTRUMENTS = _listed("cello|clarinet|flute|guitar|harp|horn|lute|oboe|organ|piano|trumpet|violin")
TONGUES = _listed(
    "Arabic|Basque|Danish|Dutch|English|Finnish|French|German|Greek|Hindi|Irish|Italian|"
    "Japanese|Latin|Mandarin|Persian|Polish|Portuguese|Russian|Spanish|Turkish|Welsh"
)
CAUSES = _listed(
    "a cholera epidemic|a dispute over taxes|a failed harvest|a fall in the price of {goods}|"
    "a fire in the old town|a lack of clean water|a long drought|a series of earthquakes|"
    "a severe flood|a shortage of {goods}|a strike by the workers|a violent storm|"
    "bad weather|heavy debts|high winds|poor management|political unrest|rising costs|"
    "the arrival of the railway|the closing of the mine|the collapse of a bridge|"
    "the death of its founder|the loss of trade|the spread of disease|the war with {country}"
)
AIMS = _listed(
    "to attract new settlers|to carry {goods} to the coast|to control the flow of the river|"
    "to defend the border|to end the war|to feed the poor|to help the sick|"
    "to honour the dead|to improve the harbour|to increase the production of {goods}|"
    "to keep out invaders|to lower taxes|to measure the height of the tide|"
    "to pay for the war|to protect {animals}|to provide work for the poor|"
    "to raise money for the hospital|to reduce the cost of {goods}|"
    "to spread the teachings of the church|to store {goods}|to study the stars|"
    "to supply the city with water|to teach children to read|to train engineers"
)
STYLES = _listed(
    "Baroque|Byzantine|Classical|Gothic|Modernist|Neoclassical|Renaissance|Romanesque|Victorian"
)
QUALITIES = _listed(
    "broken|burning|distant|empty|forgotten|golden|hidden|last|long|lost|quiet|red|sacred|"
    "silent|silver|sleeping|stolen|white|wild|winter"
)
OBJECTS = _listed(
    "bell|bridge|castle|crown|door|forest|garden|harbour|island|king|lamp|mirror|mountain|"
    "ocean|orchard|queen|river|road|sea|shadow|ship|star|stone|sword|tower|valley|village|"
    "wind|window"
)
PARTS = _listed(
    "a copper wheel|a glass tube|a hollow needle|a long wooden beam|a magnetic field|"
    "a metal spring|a pair of mirrors|a rotating disc|a series of gears|"
    "a small electric motor|a thin layer of {goods}|a weak acid|compressed air|falling water|"
    "hot steam|molten {goods}|sunlight|ultraviolet light"
)
POSITIONS = _listed(
    "bishop|chancellor|chief engineer|director|governor|king|leader|mayor|president|"
    "prime minister|rector|queen"
)
GROUPS = _listed(
    "the army|the bishops|the citizens|the council|the farmers|the fishermen|the government|"
    "the merchants|the miners|the monks|the nobles|the peasants|the royal family|the sailors|"
    "the students|the town guard|the trade unions|the workers"
)
