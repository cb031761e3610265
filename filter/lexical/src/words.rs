//! Word lists. A line's first word says what the other words are; `Lexicon::new` reads them once.
//!
//! Function words are dropped or become features of a text. All others must be the same in two texts. So a missing word costs cache hits
//! and never correctness, and a word belongs in a list only if no answer depends on it.

/// The lists of each language. The order breaks ties between languages.
pub(super) const LANGUAGES: [&str; 7] = [EN, DE, FR, ES, IT, NL, PT];

/// What lines mean:
///
/// - `drop`: no answer depends on these words. Elided forms keep the apostrophe.
/// - `not`: negations. `raw`: words behind which the text itself is the subject, so that each of its words counts.
/// - `who`, `when`, `where`, `why`, `what`, `how`: question words.
/// - `present`, `past`, `future`, `can`, `must`: auxiliary verbs.
/// - `i`, `you`, `we`, `my`, `your`, `our`: pronouns.
/// - `numbers`, `tens`, `ordinals`: in order, from 0, 20 and 1.
/// - `same`: words of one meaning. `opposite`, `degree`, `person`, `unit`, `currency`: the same, with the reason to give when they differ.
/// - `each`: every word is an `opposite` on its own.
const EN: &str = "
drop a an the of to this that these those it its please kindly just some any very really myself thanks following
not not no never none nobody nothing nowhere neither nor cannot without except hardly barely dont cant wont isnt arent doesnt didnt
raw translate translation spell spelling rhyme pronounce conjugate proofread rewrite rephrase paraphrase grammar say mean meaning word sentence
who who whom
when when
where where
why why
what what which explain
how how
present is are am do does
past was were did
future will shall
can can could may might would possible able
must should must ought need required
i i me
you you
we we us
my my mine
your your yours
our our ours
numbers zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
tens twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion
ordinals first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth
person he him his
person she her
person they them their
same in during inside
same have has
same with using via
same repair fix correct mend
same fast quick rapid
same fastest quickest
same big large
same biggest largest
same couch sofa
same car automobile
same film movie
same choose pick select
same help assist
same kind type
same picture image photo
same television tv
same price cost
same happen occur
same modify alter
same folder directory
same repository repo
same database db
same app application
same info information
same airplane aeroplane plane
same bicycle bike
same child children kid
same man men
same woman women
same tooth teeth
same mouse mice
same write compose draft
same suggest recommend
same summarise summary
same describe define
opposite decrease reduce
same if whether
same everyone everybody
same anyone anybody
same contact reach
same colour color
opposite enable activate
opposite disable deactivate
opposite begin start
opposite buy purchase
opposite delete remove erase
opposite increase raise
opposite minimum min
opposite maximum max
each ascending descending before after last add stop sell import export encode decode encrypt decrypt open close left right up down
each on off out over under above below upload download install uninstall lock unlock show hide push pull rise fall accept decline deposit
each withdraw subscribe unsubscribe internal external input output high low public private lend borrow advantage disadvantage pro con north
each south east west early late hot cold true false always often old new from until since by about against between and or only all every
each today tomorrow yesterday now then again still already even odd next previous
degree more
degree most
degree less
degree least
degree fewer
degree best
degree worst
degree better
degree worse
degree too
degree enough
unit kilometre km
unit metre
unit centimetre cm
unit millimetre mm
unit mile mi
unit foot feet ft
unit inch
unit kilogram kilo kg
unit gram
unit milligram mg
unit ounce oz
unit litre
unit millilitre ml
unit hour hr
unit minute
unit seconds sec
unit millisecond ms
unit day
unit week
unit month
unit year
unit degree
unit celsius
unit fahrenheit
unit byte
unit kilobyte kb
unit megabyte mb
unit gigabyte gb
unit percent
currency dollar usd
currency euro eur
currency pound gbp
currency yen jpy
currency franc chf
currency rupee inr
currency yuan cny
";

const DE: &str = "
drop der die das den dem des ein eine einen einem einer eines von vom bitte es man sich mir mich hat haben habe
not nicht kein keine keinen keinem keiner keines nie niemals nichts niemand ohne außer weder
raw übersetze übersetzen bedeutet buchstabiere reimt korrigiere satz wort
who wer
when wann
where wo wohin woher
why warum wieso weshalb
what was welche welcher welches welchen
how wie
present ist sind bin bist
past war waren wurde wurden hatte
future wird werden
can kann können könnte könnten darf dürfen
must soll sollte muss müssen
i ich
you du
we wir
my mein meine meinen meinem meiner meines
your dein deine deinen deinem deiner deines
our unser unsere unseren unserem unserer
numbers null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf
tens zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert tausend million milliarde
";

const FR: &str = "
drop le la les l' un une des de du d' svp plaît ce cet cette c' y que qu' il se s' ne n' a ai
not pas jamais rien aucun aucune sans sauf ni
raw traduis traduire traduisez signifie dire corrige phrase mot
who qui
when quand
where où
why pourquoi
what quoi quel quelle quels quelles
how comment
present est sont suis
past était étaient fut
future sera seront
can peut peux puis pouvez pouvons
must doit dois devez faut
i je j'
you tu vous
we nous
my mon ma mes
your ton ta tes votre vos
our notre nos
numbers zéro - deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize
tens vingt trente quarante cinquante soixante - - - cent mille million milliard
";

const ES: &str = "
drop el la los las un una de del favor lo se he ha
not no nunca jamás nada nadie sin excepto ningún ninguna tampoco
raw traduce traducir significa decir corrige frase palabra
who quién quien quiénes
when cuándo cuando
where dónde donde
why porqué
what qué cuál cuáles que
how cómo como
present son está están soy
past era fue fueron
future será serán
can puedo puede puedes pueden podemos
must debo debe debes hay
i yo
you tú usted
we nosotros
my mi mis
your tu tus
our nuestro nuestra
numbers cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce
tens veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa cien mil millón -
";

const IT: &str = "
drop il lo la i gli le un una di del della dei delle favore si ho ha l' un' d' dell'
not non mai niente nulla nessuno nessun senza tranne
raw traduci tradurre significa dire correggi frase parola
who chi
when quando
where dove
why perché
what che cosa quale quali qual
how come
present è sono
past era fu furono
future sarà saranno
can posso può puoi possono possiamo
must devo deve devi bisogna
i io
you tu lei
we noi
my mio mia miei mie
your tuo tua tuoi tue
our nostro nostra
numbers zero uno due tre quattro cinque sei sette otto nove dieci undici dodici
tens venti trenta quaranta cinquanta sessanta settanta ottanta novanta cento mille milione miliardo
";

const NL: &str = "
drop de het een van alsjeblieft graag er dat heb heeft hebben
not niet geen nooit niets niemand zonder behalve
raw vertaal vertalen betekent zeg zin woord
who wie
when wanneer
where waar
why waarom
what wat welke
how hoe
present is zijn ben
past waren werd werden had
future zal zullen
can kan kunnen kun mag
must moet moeten
i ik
you jij je u
we wij we
my mijn
your jouw uw
our ons onze
numbers nul één twee drie vier vijf zes zeven acht negen tien elf twaalf
tens twintig dertig veertig vijftig zestig zeventig tachtig negentig honderd duizend miljoen miljard
";

const PT: &str = "
drop o a os as um uma de do da dos das favor se há em
not não nunca jamais nada ninguém sem exceto nenhum nenhuma
raw traduza traduzir significa dizer corrija frase palavra
who quem
when quando
where onde
why porquê
what que qual quais
how como
present é são está estão
past era foi foram
future será serão
can posso pode podem podemos
must devo deve devem
i eu
you você tu
we nós
my meu minha meus minhas
your teu tua seu sua
our nosso nossa
numbers zero - dois três quatro cinco seis sete oito nove dez onze doze
tens vinte trinta quarenta cinquenta sessenta setenta oitenta noventa cem mil milhão bilhão
";

/// Phrases with their replacements. A phrase that begins with `^` is replaced only at the beginning of a text. Longer ones come
/// first.
///
/// `?` stands for nothing before a word of [`REQUESTS`], and for no replacement before others.
pub(super) const PHRASES: &str = "
^i would like to know=
^i d like to know=
^give me a recipe for=how make
^give me a summary of=summarise
^i want to know=
^i need to know=
^i would like to=how
^i d like to=how
^give a summary of=summarise
^is it possible to=can
^is it true that=
what is the reason=why
what s the reason=why
as if i were=
s' il vous plaît=
s' il te plaît=
^tell me about=what
^let me know=
^i want to=how
^i need to=how
^tell me a=give
^tell me an=give
^show me how=how
^explain to me=what
best way to=how
fastest way to=how fastest
easiest way to=how easiest
what time zone=what timezone
which time zone=what timezone
in what year=when
in which year=when
best time to=when best
get rid of=remove
wie viel kostet=was kostet
wie heißt die=was ist
est ce que=
^can you=?
^could you=?
^would you=?
^will you=?
^thank you=
^good morning=
^tell me=
^give me=give
^show me=give
^help me=
^name the=what
is there=is
are there=are
way to=how
ways to=how
steps to=how
tips for=how
time zone=timezone
what year=when
what time=when
how long=what length
how tall=what height
how high=what height
how far=what distance
how old=what age
how fast=what speed
how big=what size
how large=what size
how often=what frequency
how many=what count
how much=what amount
find out=find
e mail=email
wi fi=wifi
set up=setup
back up=backup
switch on=turn on
switch off=turn off
power on=turn on
power off=turn off
shut down=turn off
sign in=log in
sign out=log out
each day=per day
every day=per day
capital city=capital
or not=
have to=must
has to=must
por qué=porqué
por que=porquê
por favor=
per favore=
^please=
^kindly=
^hello=
^hi=
^hey=
^thanks=
^so=
^ok=
^and=
^also=
^explain=what
^describe=what
^define=what
whats=what is
";

/// Verbs behind "can you" that make it a polite request. Behind it, others ask what somebody can do.
pub(super) const REQUESTS: &str = "tell explain give show write summarise summarize recommend suggest translate describe define list name help compare convert please find";
