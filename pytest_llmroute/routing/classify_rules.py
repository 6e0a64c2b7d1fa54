r"""The rules of the task classification, English and German. One row a rule: type, name, weight, pattern.

simple_chat       a greeting, thanks, farewell or mood that makes up the whole message
simple_qa         a short question beginning with a question word, and nothing that asks for weighing up
summarization     verbs and nouns of shortening: sum up, TL;DR, gist, zusammenfassen, Kurzfassung, Kernaussagen
classification    is this X or Y, which category / sentiment / language / topic, label, einordnen, Stimmung
code_generation   make/fix/port verbs near nouns of code (function, regex, query, script, …), or pasted code
tool_use          acting verbs on things of the world (mail, file, calendar, server), or live facts (now, current)
complex_reasoning why, compare, trade-offs, prove, should I, diagnose, word problems
multi_step        sequence markers (first … then … finally), or plans and migrations in stages

Weights: 1 hints, 2 speaks clearly, 3 and more settles it. Words are matched with their endings (\w*).
"""

from __future__ import annotations

_CODE_NOUN = (
    r"(?:functions?|funktion\w*|methods?|methoden?|class(?:es)?|klassen?|scripts?|skripte?\w*|shell-?skript\w*|"
    r"regex\w*|regular expressions?|regul\w+ ausdr\w+|sql\w*|quer(?:y|ies)|abfragen?|dockerfiles?|makefiles?|"
    r"unit[- ]?tests?|testf\w+lle?|pytest\w*|modul\w*|snippets?|one-?liners?|einzeiler|programm?e?s?|code|macros?|"
    r"makros?|decorators?|dekorator\w*|components?|komponenten?|endpoints?|parsers?|structs?|loops?|schleifen?|"
    r"algorithm\w*|algorithmus|yaml|json-?schema|css\w*|html\w*|playbook\w*|terraform\w*|workflow-?(?:file|datei)|"
    r"crontab\w*|cron ?job\w*|awk\w*|sed\w*|bash\w*|python\w*|javascript|typescript|java|rust|golang|kotlin|swift|"
    r"haskell|c\+\+|c#|php|ruby|perl|lua|matlab|vba|powershell\w*|react\w*|latex|interrupt\w*|isr|driver|treiber|"
    r"bug|type ?hints?|docstrings?|compiler\w*|segfault\w*|makefile|nginx\w*|config\w*|konfig\w*|webhook\w*|error handling|"
    r"excel(?:-?formel\w*)?|alias(?:es)?|boilerplate|cron\w*|async|numpy|pandas|django|flask|fastapi|express|kubernetes|getter\w*|setter\w*|"
    r"formulas?|queues?|stacks?|hash ?maps?|trees?|list comprehension\w*|dictionar\w+|warteschlange\w*|"
    r"formeln?|stored procedures?|triggers?|trigger|migration script|iterator\w*|"
    r"generator\w*|enum\w*|interfaces?|schnittstellen?|hooks?|fixtures?|mocks?|linked list|binary search)"
)
_MAKE = (
    r"(?:write|create|produce|provide|supply|show|code|implement\w*|build|generate|draft|make|give me|show me|add|need|want|convert|port|rewrite|"
    r"refactor\w*|translate|fix|debug|correct|repair|optimi[sz]e|simplify|clean up|extend|complete|finish|turn|"
    r"schreib\w*|erstell\w*|programmier\w*|implementier\w*|bau\w*|generier\w*|mach\w*|gib mir|zeig mir|brauch\w*|"
    r"h(?:ä|ae)tte gern\w*|konvertier\w*|portier\w*|umschreiben|schreib\w* .{0,40} um|refaktor\w*|"
    r"(?:ü|ue)bersetz\w*|korrigier\w*|reparier\w*|optimier\w*|vereinfach\w*|erg(?:ä|ae)nz\w*|wandle|formulier\w*)"
)
_WORLD = (
    r"(?:e-?mails?|mails?|inbox|postfach|posteingang|calendar|kalender\w*|appointments?|termine?|meetings?|"
    r"reminders?|erinnerung\w*|alarm|wecker|timer|files?|dateien?|folder\w*|director(?:y|ies)|ordner\w*|"
    r"verzeichnis\w*|logs?|logdatei\w*|server\w*|database|datenbank\w*|tables?|tickets?|issues?|jira|slack|"
    r"channels?|kanal|pull requests?|prs?|branch\w*|repos?\w*|containers?|pods?|services?|dienst\w*|processe?s?|"
    r"prozesse?|ports?|flights?|fl(?:ü|ue)ge?|hotels?|zimmer|table for|tisch|taxi|tickets|trains?|z(?:ü|ue)ge?|"
    r"playlist|lights?|licht|heizung|thermostat|web|internet|google|wikipedia|online|api|spreadsheet|sheet|"
    r"invoice|rechnung\w*|contacts?|kontakt\w*|printer|drucker|screenshot|backup\w*|tests?|disk|festplatte\w*|"
    r"package|paket\w*|documents?|dokument\w*|photos?|fotos?|bild\w*|images?|whatsapp|sms|telegram|crm|customer record|kundendatensatz)"
)
_ACT = (
    r"(?:run|execute|start|restart|stop|kill|deploy|send|forward|reply to|delete|remove|move|copy|rename|upload|"
    r"download|open|close|read|fetch|get me|pull|push|search|look up|google|find|check|ping|query|list|count|book|"
    r"reserve|order|schedule|cancel|set|remind|post|call|create a ticket|turn (?:on|off|up|down)|switch|install|"
    r"update|restore|archive|print|play|add|save|merge|"
    r"f(?:ü|ue)hr\w*|starte\w*|stopp\w*|beende\w*|schick\w*|send\w*|leite|l(?:ö|oe)sch\w*|entfern\w*|verschieb\w*|"
    r"kopier\w*|benenn\w*|lade?|(?:ö|oe)ffne\w*|schlie(?:ß|ss)\w*|lies|lese?|hol\w*|such\w*|finde|pr(?:ü|ue)f\w*|"
    r"schau\w*|guck\w*|frag\w*|liste|z(?:ä|ae)hl\w*|buch\w*|reservier\w*|bestell\w*|plane|sag\w* .{0,30} ab|"
    r"stell\w*|erinner\w*|ruf\w*|schalt\w*|mach\w* .{0,30} (?:an|aus)|installier\w*|aktualisier\w*|druck\w*|"
    r"spiel\w*|trag\w*|speicher\w*|leg\w*)"
)
_SEQUENCE_THEN = (
    r"(?:then|after (?:that|which)|afterwards?|next|finally|lastly|followed by|once (?:that|this|it)|when (?:that|done)|"
    r"dann|danach|anschlie(?:ß|ss)end|zum schluss|schlie(?:ß|ss)lich|zuletzt|abschlie(?:ß|ss)end|im anschluss|"
    r"sobald|am ende|hinterher|daraufhin)"
)
_ORDER = (
    rf"(?:{_ACT}|{_MAKE}|research|review|compare|prepare|clean|plot|test|document|upgrade|migrate|switch|clone|tag|publish|announce|mail|repair|release|choose|define|set up|back up|"
    r"shorten|summari[sz]e|analy[sz]e|validate|measure|verify|collect|gather|interview|publish|present|format|sort|filter|"
    r"recherchier\w*|vergleich\w*|k(?:ü|ue)rze?|verschick\w*|sicher\w*|formatier\w*|test\w*|dokumentier\w*|analysier\w*|"
    r"sammel\w*|sammle|werte|fasse?|bereite|pr(?:ä|ae)sentier\w*|ver(?:ö|oe)ffentlich\w*|miss|bewert\w*|sortier\w*|filter\w*)"
)
_QUESTION = (
    r"(?:what|who|when|where|which|how (?:many|much|old|tall|far|long|big|high|deep|often|do you (?:say|spell|call)|"
    r"is .{1,20} (?:called|spelled))|what's|who's|whats|is|are|does|do|did|was|were|can|has|"
    r"was|wer|wann|wo|wie (?:viele?|hoch|alt|weit|lange|gro(?:ß|ss)|hei(?:ß|ss)t|tief|oft|schnell|schwer|nennt)|"
    r"welche[rsnm]?|wof(?:ü|ue)r|woher|wohin|wozu|womit|ist|sind|hat|gibt es|kann)"
)
_CHAT = (
    r"(?:h(?:i|ey|ello|iya)+|heya?|yo|howdy|good (?:morning|evening|afternoon|night)|morning|evening|greetings|"
    r"thanks?(?: a lot| so much| you)?|thank you|thx|ty|cheers|bye|goodbye|see (?:you|ya)|cya|take care|"
    r"have a (?:nice|good|great)|sup|what'?s up|how are you|how'?s it going|how (?:was|is|are) your?|"
    r"nice to meet|you(?:'re| are) (?:the best|great|awesome|funny|so)|lol|(?:hi|ha|he){2,}\w*|how are (?:things|you|we)|ok(?:ay)?|sorry|wow|cool|oh|oje|juhu|yay|perfect|"
    r"hallo|hallöchen|moin\w*|servus|gr(?:ü|ue)(?:ß|ss) (?:dich|gott)|gr(?:ü|ue)ezi|guten (?:morgen|tag|abend)|"
    r"gute nacht|na\b.{0,30}\?|wie geht'?s?|alles (?:klar|gut)|danke\w*|(?:vielen |herzlichen |lieben |besten )+dank|merci|tsch(?:ü|ue)s+\w*|ciao|"
    r"bis (?:bald|morgen|dann|sp(?:ä|ae)ter)|sch(?:ö|oe)n(?:en|es) (?:tag|abend|wochenende|feierabend)|mach'?s gut|"
    r"freut mich)"
)

ANYWHERE = frozenset({"pasted code", "compiler speaks"})
"""Rules that look at pasted material as at the request itself."""

ROWS: tuple[tuple[str, str, float, str], ...] = (
    # simple_chat
    ("simple_chat", "nothing but a greeting", 4, rf"\A\W*{_CHAT}\b[\w ,'!.☀-🫶-]{{0,40}}[\s!.?☀-🫶]*\Z"),
    ("simple_chat", "opens with a greeting", 1.2, rf"\A\W*{_CHAT}\b.{{0,140}}\Z"),
    ("simple_chat", "a mood", 2.5,
     r"\b(?:i'?m|i am|i feel|feeling|bin|mir ist|ich f(?:ü|ue)hl\w*)\b.{0,25}\b(?:so|really|pretty|a bit|just|total|heute|today|"
     r"echt|ganz|ein bisschen|v(?:ö|oe)llig)?\s*(?:tired|bored|happy|sad|excited|exhausted|lonely|hungry|nervous|stressed|"
     r"glad|back|m(?:ü|ue)de|gelangweilt|langweilig|kalt|hei(?:ß|ss)|schlecht|proud|cold|sick|bad|gl(?:ü|ue)cklich|traurig|aufgeregt|kaputt|hungrig|nerv(?:ö|oe)s|gestresst|froh|"
     r"wieder da|langweilig)\b.{0,60}\Z"),
    ("simple_chat", "asks after you", 2.2,
     r"\A\W*(?:(?:are|were|have|did|do) (?:you|u|ya)|(?:bist|hast|warst|magst|kennst|findest|glaubst|freust) du|geht es dir)\b[^?⟦]{0,45}\?*\Z"),
    ("simple_chat", "exclaims", 3, r"\A\W*(?:what an? |was f(?:ü|ue)r ein\w* |so ein\w* |such an? )[^?⟦]{3,80}\Z"),
    ("simple_chat", "tells of itself", 1.5,
     r"\A\W*(?:i|we|it|it'?s|my|you|ich|wir|mir|mein\w*|du|das|der|die)\b(?:'\w+)? (?:had|have had|was|were|been|am|are|is|feel|"
     r"love|loved|miss|hope|enjoyed|hatte|war|bin|ist|liebe|w(?:ü|ue)nsche|hoffe|habe .{0,30}(?:gehabt|geschafft|genossen)|schmeckt)\b[^?:]{0,80}\Z"),
    ("simple_chat", "about the assistant", 2.5,
     r"\b(?:do you (?:like|have|ever|dream|sleep|get|enjoy|feel)|are you (?:a robot|human|real|there|ok|okay|happy|alive|"
     r"tired|busy)|who are you|tell me a joke|your (?:favou?rite|name|day|weekend)|magst du|hast du (?:auch|eigentlich|"
     r"heute|lust|gut)|bist du (?:\w+ )?(?:da|ein|eine|noch|echt|m(?:ü|ue)de|mensch|roboter)|wer bist du|dein\w* (?:lieblings\w*|tag|wochenende|name)|"
     r"erz(?:ä|ae)hl\w* .{0,12}witz|auch schon|war dein\w*|geht es dir)"),
    ("simple_chat", "small talk", 2,
     r"\b(?:what a (?:day|week|lovely|beautiful)|(?:lovely|nice|terrible|awful|great) (?:weather|day)|long day|another monday|"
     r"friday at last|finally (?:friday|weekend)|you made my day|that'?s (?:funny|great|awesome|nice|sweet|kind)|"
     r"good (?:job|talk|chat)|well done|happy (?:birthday|new year|easter)|merry christmas|feierabend|"
     r"was f(?:ü|ue)r ein (?:tag|wetter)|endlich (?:freitag|wochenende)|sch(?:ö|oe)nes wetter|sauwetter|super gemacht|"
     r"gut gemacht|das ist (?:nett|lieb|lustig)|frohe weihnachten|alles gute|gl(?:ü|ue)ckwunsch)\b"),
    # simple_qa
    ("simple_qa", "a short question", 1.6, rf"\A\W*(?:(?:hi|hey|hallo|quick question|kurze frage|please|bitte|so|and|und|"
     rf"sag mal|tell me|wei(?:ß|ss)t du)\W+){{0,2}}{_QUESTION}\b[^\n]{{2,110}}\Z"),
    ("simple_qa", "asks for a fact", 1.5,
     r"\b(?:capital of|population of|meaning of|definition of|define|stands? for|abbreviation|year did|invented|"
     r"discovered|wrote the|author of|boiling point|freezing point|currency of|president of|chemical symbol|synonym|"
     r"plural of|opposite of|difference in time|hauptstadt|einwohner|bedeutet|bedeutung|definition|steht die abk|"
     r"abk(?:ü|ue)rzung|erfunden|entdeckt|geschrieben hat|siedepunkt|gefrierpunkt|w(?:ä|ae)hrung|pr(?:ä|ae)sident\w*|"
     r"gegenteil|mehrzahl|synonym|wof(?:ü|ue)r steht|wie nennt man|what do you call|default port|how do you say|"
     r"wie sagt man|hei(?:ß|ss)t .{1,30} auf)\b"),
    ("simple_qa", "names a fact", 2, r"\A\W*(?:name|state|nenne?) (?:me |mir )?(?:the|an?|one|two|three|den|die|das|ein\w*|zwei|drei)\b[^⟦]{3,60}\Z"),
    ("simple_qa", "a question and no more", 0.6, r"\A[^\n]{3,110}\?\s*\Z"),
    # summarization
    ("summarization", "says so", 4,
     r"\b(?:summar\w+|tl;?dr|sum (?:it |this |that |up|everything|the)|recap\w*|gist|abstract of|synopsis|digest|"
     r"in a nutshell|to its essentials|most important (?:facts|points|things|parts)|auf den punkt|executive summary|zusammen(?:fass|gefasst|zufassen)\w*|fass\w*\b.{0,80}\bzusammen|kurzfassung|kernaussage\w*|"
     r"quintessenz|inhaltsangabe|kurzzusammenfassung|zusammenfassung|auf den punkt gebracht|essenz)\b"),
    ("summarization", "makes it shorter", 3,
     r"\b(?:condense|shorten|boil\w* (?:it |this |that |down)|distil\w*|trim (?:this|it|that) (?:down|to)|key (?:points|"
     r"takeaways|facts|messages)|main (?:points?|ideas?|takeaways?|arguments?)|takeaways?|bullet points? (?:of|from|for)|"
     r"short(?:er)? version|bottom line|what'?s (?:it|this|the .{1,30}) (?:saying|basically)|highlights of|essentials|"
     r"(?:in|to|into) (?:one|two|three|four|five|\d+) (?:short )?(?:sentences?|lines?|bullets?|words?|paragraphs?|points?)|"
     r"k(?:ü|ue)rze\w*|eindampfen|dampf\w*|verdicht\w*|wichtigste\w*|hauptpunkte|kernpunkte|stichpunkte\w*|stichworte\w*|"
     r"das wesentliche|kurz und knapp|in (?:einem|zwei|drei|vier|f(?:ü|ue)nf|\d+) (?:kurzen )?(?:s(?:ä|ae)tzen?|"
     r"worten?|satz|stichpunkten|zeilen)|worum geht(?:'s| es)?|was steht (?:da|drin|in)|kurze version|(?:ü|ue)berblick "
     r"(?:ü|ue)ber (?:den|diesen) (?:text|artikel))\b"),
    ("summarization", "less of the text that follows", 3.2,
     r"\b(?:brief\w*|short\w*|abridged|compact|condensed|overview|what happened|matters? most|hinaus|kompakt|(?:ü|ue)berblick|few words|plain words|core|important|digest|reduce|compress|cut|abstract|bits|essence|one line|"
     r"main (?:points|arguments|ideas)|kurz\w*|knapp\w*|wesentlich\w*|inhalt|wichtigsten?|h(?:ä|ae)lfte|verk(?:ü|ue)rz\w*|straff\w*|"
     r"(?:say|saying|about|steht|geht es)\b.{0,40})\b.{0,60}⟦text⟧"),
    ("summarization", "by its name alone", 2.4, r"\b(?:abridged|condensed|shortened|abstract|synopsis|recap|tl;?dr|digest|kurzfassung|inhaltsangabe)\b"),
    ("summarization", "a text is given", 1,
     r"\b(?:this|following|attached|the|diese[ns]?|folgende[ns]?|den|das|die) (?:\w+ ){0,2}(?:article|text|paper|report|"
     r"transcript|minutes|thread|chapter|essay|post|document|paragraph|notes|e-?mail|conversation|artikel|bericht|"
     r"protokoll|mitschrift|kapitel|aufsatz|beitrag|dokument|absatz|notizen|mailverlauf|vertrag|contract)\b"),
    # classification
    ("classification", "says so", 4,
     r"\b(?:classif\w+|categori[sz]e\w*|sentiment\w*|label\w*|tag (?:this|these|it)|(?:what|which) language\b.{0,40}(?:this|these|text|sentence|following|⟦text⟧)|which (?:category|class|topic|label|"
     r"department|genre|bucket|queue|intent|priority|severity)|what (?:category|class|topic|label|genre|tone|"
     r"intent|mood|kind of (?:error|bug|ticket|mail|email|document|text|message))|(?:sort|group|divide|split|separate|put|file|bucket)\b.{2,60}\b(?:into|in the right|under)|"
     r"(?:determine|decide|detect|identify|judge|rate|guess|recogni[sz]e)\b.{0,30}\b(?:intent|tone|language|category|topic|mood|sentiment|genre|whether|"
     r"urgency|severity|priority|emotion|author's)|tone of|how (?:urgent|severe|formal|toxic|positive|critical)|on a scale|low, medium|niedrig, mittel|"
     r"formal or (?:casual|informal)|facts? or opinions?|wie (?:dringend|ernst|schwer|positiv|f(?:ö|oe)rmlich)\b.{0,60}\b(?:anfrage|fehler|meldung|text|mail|"
     r"nachricht|ticket)|teil\w*\b.{2,80}\bein\b|handelt es sich|tatsache oder|gruppier\w*|assign .{0,40}(?:category|"
     r"label|class|priority|severity|topic)|klassifizier\w*|kategorisier\w*|einordnen|ordne\b.{0,80}\b(?:zu|ein)|"
     r"stimmung|tonalit(?:ä|ae)t|(?:in )?welche\w? (?:kategorie|klasse|thema|abteilung|sprache|genre|rubrik|sorte|priorit\w+|"
     r"dringlichkeit|fehlerklasse|themengebiet|schublade|textsorte|absicht)|einstufen|stuf\w*\b.{0,60}\bein|etikettier\w*|"
     r"labeln|zuordnen|einsortieren|sortier\w*\b.{0,60}\bein)\b"),
    ("classification", "this or that", 3.5,
     r"\b(?:is|are|was|does|would|ist|sind|war|w(?:ä|ae)re|klingt)\b[^.?]{2,160}\b(?:or|oder|vs\.?)\b.{1,60}"
     r"(?:positive?|negative?|neutral|positiv|negativ|spam|ham|toxic|fake|scam|phishing|junk|urgent|dringend|bug|feature|"
     r"complaint|beschwerde|question|frage|sarcas\w*|ironi\w*|ernst|serious|fact|opinion|meinung|tatsache|formal|informal|"
     r"legit\w*|harmless|harmlos|lob|praise|request|noun|verb|fruit|vegetable|obst|gem(?:ü|ue)se|private?|business|"
     r"english|german|deutsch|warning|error|critical|kritisch|low|high|mammal|fish|hardware|software|frontend|backend)"),
    ("classification", "this or that of the text that follows", 3.4, r"\b(?:or|oder)\b.{0,70}⟦text⟧"),
    ("classification", "a question on the text that follows", 2.4,
     r"\A\W*(?:is|are|does|do|which|what (?:kind|type|sort|category|language|team|topic)|how|ist|sind|klingt|welche\w*|in welche\w*|"
     r"wie (?:ist|klingt|wirkt))\b.{3,90}⟦text⟧"),
    ("classification", "asks for an attribute of a text", 3,
     r"\b(?:polarity|emotion|feeling|stance|urgency|severity|priority|part of speech|sentiment|tone|register|gef(?:ü|ue)hl|wortart|priorit(?:ä|ae)t|"
     r"kategorie|abteilung|ressort|tonfall|haltung|textsorte|stimmung)\b.{0,60}(?:⟦text⟧|\b(?:this|these|each|diese\w*|jede\w*)\b)"),
    ("classification", "sorts and marks", 3.3,
     r"\b(?:mark|flag|group|sort|tag|detect|identify|rate|choose|pick|assign|label|name|tell me|say|decide|bestimm\w*|erkenn\w*|sortier\w*|"
     r"ordne\w*|markier\w*|bewerte\w*|w(?:ä|ae)hle?|gib|nenn\w*|entscheide?)\b.{2,80}(?:\b(?:as|or|nach|als|oder|whether|ob|if)\b.{1,60}\b(?:or|oder|und|and)\b|"
     r"\bby (?:genre|type|topic|colou?r|size|kind|category|language|author)|\b(?:language|sprache|wortart|part of speech|genre|schlagwort|kategorie|"
     r"sentiment|category|topic|thema)\b.{0,40}⟦text⟧|\bnach \w+ und \w+)"),
    ("classification", "spam and the like", 2.5,
     r"(?:\b(?:positive?|positiv)\b.{0,20}\b(?:negative?|negativ)\b|\bspam\b|\bphishing\b|\btoxic\b|\bham\b|\bscam\b|"
     r"\bhate ?speech\b|\bclickbait\b|\bsarkas\w+|\bsarcas\w+|\bhassrede\b)"),
    ("classification", "yes or no on a text", 1.5,
     r"\b(?:yes or no|ja oder nein|true or false|pick one|choose one|one of(?: these| the following)?:|options?:|w(?:ä|ae)hle "
     r"(?:aus|eine)|answer with one word|nur ein wort)\b"),
    # code_generation
    ("code_generation", "makes code", 3.2, rf"\b{_MAKE}\b.{{0,70}}\b{_CODE_NOUN}(?!\w)"),
    ("code_generation", "code is made", 2.2, rf"\b{_CODE_NOUN}\b.{{0,60}}\b(?:that|which|to|for|der|die|das|zum|zur|f(?:ü|ue)r|"
     r"schreiben|erstellen|bauen|programmieren|reparieren|umschreiben|implementieren)\b"),
    ("code_generation", "a word of the trade", 2.6,
     r"\b(?:refactor\w*|refaktor\w*|debugg?\w*|implement\w*|implementier\w*|programmier\w*|type ?annotation\w*|typannotation\w*|"
     r"(?:fix|correct|repair|repariere?|korrigiere?|behebe?)\b.{0,30}\b(?:code|bug|this|das|diese\w*|fehler)|port .{1,60} to \w+|"
     r"in (?:c|c\+\+|python|java|rust|go|javascript|typescript|kotlin|bash|sql|php)(?!\w))"),
    ("code_generation", "pasted code", 2.5,
     r"(?:```|\bdef \w+\(|\bfunction \w*\(|#include|\bSELECT\b.{1,80}\bFROM\b|=>|\bpublic (?:static|class)\b|\bint main|"
     r"\bfor ?\(.{0,30};|\bimport \w+\n|\b(?:const|let|var) \w+ =|\w+\(\);|</\w+>|\breturn \w+;|\breturn \w+ [-+*/]|\bprint\(|=\s*\[\]|\b\w+ = [\w.]+\(|\bfor \w+ in \w+|\bwhile True|\bprintf\(|\w\.\w+\(|[;{}]\s*(?:$|\n)|\w\[\w+\]|[=!]=|\+=|&&|\|\||\bconsole\.log)"),
    ("code_generation", "compiler speaks", 1.6,
     r"\b(?:TypeError|ValueError|KeyError|NameError|SyntaxError|IndexError|NullPointerException|undefined (?:reference|"
     r"is not)|segmentation fault|does(?:n'?t| not) compile|won'?t compile|kompiliert nicht|stack ?trace|traceback)\b"),
    # tool_use
    ("tool_use", "acts on the world", 2.8, rf"\A\W*(?:(?:please|pls|can you|could you|would you|hey|hi|kannst du|k(?:ö|oe)nntest "
     rf"du|bitte|mal|go|go and|und|ok|okay|würdest du|let'?s|i need you to)\W+){{0,3}}(?:bitte |mal )?{_ACT}\b.{{0,90}}\b{_WORLD}\b"),
    ("tool_use", "acts somewhere", 1.2, rf"\b{_ACT}\b.{{0,50}}\b{_WORLD}\b"),
    ("tool_use", "live facts", 3,
     r"\b(?:right now|currently|at the moment|current (?:rate|value|level|location|price|weather|time|temperature|version|status|exchange|stock|"
     r"score|traffic)|latest (?:news|version|price|release|score)|today'?s (?:weather|news|headlines|date|stock|exchange)|"
     r"weather (?:in|today|tomorrow|for|like)|near(?:by| me)|in meiner n(?:ä|ae)he|(?:on time|delayed|p(?:ü|ue)nktlich|versp(?:ä|ae)tet)\b.{0,10}\?|do i have|have i got|habe ich (?:heute|morgen|noch|neue)|unread|ungelesene?\w*|(?:trains?|bus|flights?|shops?|open|playing|z(?:ü|ue)ge?|bus) .{0,30}(?:tonight|heute abend)|stock price|exchange rate|what time is it|is .{1,40} (?:down|up|online|open|"
     r"running)\b.{0,15}\?|aktuell\w* (?:kurs|preis|wetter|version|stand|temperatur|uhrzeit|nachrichten|spielstand)|\bgerade[\s?!.]*\Z|steht\b.{0,30}\bgerade|"
     r"im moment|wie (?:wird|ist) das wetter|wetter (?:in|morgen|heute)|wechselkurs|aktienkurs|wie sp(?:ä|ae)t|"
     r"uhrzeit|neu(?:e|este)\w* (?:nachrichten|version|mails?)|speicherplatz|disk space|free space|noch frei|open now|what(?:'s| is) the time|wann f(?:ä|ae)hrt|wann geht (?:der|die) n(?:ä|ae)chste|next (?:train|bus|flight))\b"),
    ("tool_use", "reminders, bookings, messages", 3,
     r"\b(?:remind me|set (?:a|an) (?:reminder|alarm|timer)|wake me|book (?:me|a|an|the|us)|reserve|order (?:me|a|two|some)|"
     r"schedule (?:a|an|the|my)|send (?:a|an|the|this|him|her|it)|e-?mail (?:my|the|him|her|to)|text (?:my|him|her)|"
     r"search (?:the web|online|for)|look up|google|erinner\w* mich|stell\w* .{0,20}(?:wecker|timer)|buch\w* (?:mir|uns|ein\w*|den)|"
     r"reservier\w*|bestell\w* (?:mir|uns|ein\w*|noch)|schick\w* (?:ihm|ihr|das|die|den|eine|meine\w*|an)|such\w* (?:im|mir|nach|"
     r"online)|ruf\w* .{0,30}\ban\b|trag\w* .{0,60}\bein\b|play (?:some|the|my)|turn (?:on|off)|schalt\w* .{0,40}\b(?:ein|aus|an))\b"),
    ("tool_use", "an order to act", 2.6,
     r"\A\W*(?:(?:please|bitte|can you|could you|kannst du|hey|ok|okay|go|mal)\W+){0,3}(?:ping|remind|restart|reboot|upload|download|delete|order|book|cancel|"
     r"send|post|play|open|turn (?:on|off|up|down)|call|check (?:if|whether)|see (?:if|whether)|find (?:the|me|a|an) (?:near\w+|cheap\w*|open)|create an? (?:\w+ )?(?:event|"
     r"ticket|reminder|folder|note|alarm)|add .{2,40} to|run|execute|deploy|l(?:ö|oe)sche?|verschieb\w*|schalte?|ruf\w*|bestell\w*|buche?|schicke?|sende?|spiele?|"
     r"(?:ö|oe)ffne|starte?|stoppe?|mach\w* (?:das|die|den|bitte) .{0,40}\b(?:an|aus|auf|zu)\b|lies mir|pr(?:ü|ue)fe?,? ob|schau\w*,? ob|f(?:ü|ue)ge? .{2,50} hinzu|"
     r"stell\w*|weck\w*|reservier\w*|kopier\w*)\b"),
    ("tool_use", "my own things", 2,
     r"\b(?:my|our|meine[mnrs]?|mein|unsere[mnrs]?) (?:\w+ )?(?:inbox|calendar|(?:shopping |to-?do |grocery )?list|mails?|e-?mails?|contacts?|account|"
     r"downloads?|desktop|playlist|phone|drive|repo\w*|server|postfach|kalender|(?:einkaufs|aufgaben|to-?do-?)liste|konto|handy|ordner|festplatte)\b"),
    ("tool_use", "a path or a command", 1.8,
     r"(?:(?:^|\s)[~.]?/[\w.-]+/[\w./-]+|\b\w+\.(?:log|csv|txt|pdf|xlsx|docx|zip|bak|tmp)\b|\b(?:git|docker|kubectl|npm|pip|"
     r"systemctl|pytest|cargo|ssh) [\w-]+)"),
    # complex_reasoning
    ("complex_reasoning", "why", 2.6, r"\b(?:why|how come|explain|reason(?:s|ing)? (?:for|behind|why)|what causes?|weshalb|warum|wieso|"
     r"erkl(?:ä|ae)r\w*|begr(?:ü|ue)nd\w*|woran liegt|ursachen?|was steckt dahinter)\b"),
    ("complex_reasoning", "weighs up", 3,
     r"\b(?:compare|comparison|trade-?offs?|pros and cons|advantages|disadvantages|versus|better (?:choice|option|fit|to|for)|"
     r"which (?:one )?(?:is|would be|should)|should|what follows|reason through|for and against|recommend\w*|weigh|evaluate|assess|critique|argue|"
     r"implications?|consequences|what would happen|what if|(?:how|what) would|which .{2,60} (?:best|better|fit|suits?)|for what reasons?|and why|"
     r"welche[rs]? .{2,60} (?:besser|am besten|eignet)|und warum|was spricht|was f(?:ü|ue)r und|w(?:ä|ae)g\w* .{0,20}ab|infrage|ethic\w*|hypothes\w*|design (?:a|an|the)|architect\w*|strateg\w+|vergleich\w*|"
     r"vor-? und nachteile|abw(?:ä|ae)g\w*|w(?:ä|ae)g\w*|soll(?:en|te|ten)? (?:ich|wir|man)|lohnt|sinnvoller|besser geeignet|bewert\w*|"
     r"beurteil\w*|auswirkungen?|konsequenzen|was w(?:ä|ae)re wenn|was passiert,? wenn|empfiehl\w*|empfehl\w*|entwirf|entwurf\w*|"
     r"argumentier\w*|analysier\w*|analy[sz]e)\b"),
    ("complex_reasoning", "proves and reckons", 3,
     r"\b(?:prove|proof|show that|deduce|derive|infer|logic puzzle|riddle|how many .{3,80} (?:if|left|remain|would) |"
     r"probability|odds|beweis\w*|zeige,? dass|herleit\w*|leite .{1,40} her|wahrscheinlichkeit|r(?:ä|ae)tsel|solve|l(?:ö|oe)se)\b"),
    ("complex_reasoning", "a word problem", 2.5,
     r"\A(?=\D*\d+\D+\d).{0,800}\b(?:how (?:many|much|long|far|fast|old)|when (?:do|does|will)|what (?:is|was|did|would|will)|wie (?:viele?|lange|weit|schnell|alt|"
     r"hoch)|wann)\b"),
    ("complex_reasoning", "asks for reasons", 2.8,
     r"\b(?:discuss|help me (?:decide|choose)|(?:give|with) (?:an? )?(?:arguments?|reasons?)|take a position|nimm stellung|diskutier\w*|aus welche[mn] gr(?:u|ü|ue)nde?n?|"
     r"for what reasons?|what makes|moral\w*|realistic\w*|differently|impl(?:y|ies)|affects?|influences?|leads? to|"
     r"(?:faster|slower|better|worse|more|less|larger|stronger|cheaper|safer) .{0,30}\bthan\b|beeinfluss\w*|vertretbar|unterscheide\w*|"
     r"difference between|unterschied zwischen|to what extent|inwiefern|inwieweit)\b"),
    ("complex_reasoning", "premises, then a question", 2.4,
     r"\A[^?⟦]{30,}[.;,:] ?(?:and |und )?(?:so )?(?:how|what|who|when|which|why|are|is|wie|was|wer|wann|welche\w*|warum)\b[^?⟦]{4,}\?[^?⟦]{0,30}\Z"),
    ("complex_reasoning", "diagnoses", 2.5,
     r"\b(?:diagnos\w+|root cause|troubleshoot\w*|what (?:is|might be|could be|'s) (?:wrong|going on|causing)|figure out|narrow down|"
     r"likely (?:cause|reason|culprit)|fehlersuche|was (?:ist|k(?:ö|oe)nnte|kann) .{0,30}(?:schuld|falsch|los|ursache|dahinter)|"
     r"eingrenzen|only (?:happens|fails|when|on)|nur (?:wenn|bei|dann|montags)|sometimes|intermittent\w*|sporadisch\w*|obwohl|"
     r"although|even though)\b"),
    # multi_step
    ("multi_step", "first and then", 8,
     rf"\b(?:first(?:ly)?|start (?:by|with)|begin (?:by|with)|step 1|zuerst|zun(?:ä|ae)chst|erst(?:ens|mal)?|als erstes|schritt 1|"
     rf"fang\w* .{{0,20}}an)\b.{{3,400}}\b{_SEQUENCE_THEN}\b"),
    ("multi_step", "then", 1.5, rf"[\w,;.)\]] (?:and |und |, )?{_SEQUENCE_THEN}\b.{{4,}}"),
    ("multi_step", "three orders in a row", 8,
     rf"(?:\A|[:.!?]\s+)\W*(?:please |bitte |can you |kannst du )?{_ORDER}\b[^.;!?]{{2,90}}, (?:and |und |then |dann )?{_ORDER}\b[^.;!?]{{2,90}}"
     rf"(?:,| and| und)(?: and| und| then| dann)?(?: \w+)? {_ORDER}\b"),
    ("multi_step", "an undertaking", 3.4,
     r"\b(?:plan\w*|organi[sz]e|organisier\w*|prepare|vorbereit\w*|bereite|entwickl\w*|develop|help me|hilf (?:mir|uns)|guide|set up|launch|"
     r"introduce|einf(?:ü|ue)hr\w*|leite|arbeite|work out|outline|konzept\w*|concept|schedule)\b.{0,80}\b(?:wedding|hochzeit\w*|move|umzug\w*|"
     r"relocation|conference|konferenz\w*|launch|renovation|renovierung\w*|trip|journey|reise\w*|event|veranstaltung\w*|onboarding|campaign|"
     r"kampagne\w*|business|startup|gr(?:ü|ue)ndung\w*|einf(?:ü|ue)hrung\w*|umstieg\w*|goals|weekly|w(?:ö|oe)chentlich\w*|exam|pr(?:ü|ue)fung\w*|"
     r"garden|garten\w*|festival|product|transition|party|feier|workshop\w*|semester\w*)\b"),
    ("multi_step", "step after step", 3.6,
     r"\b(?:from scratch|(?:take|walk|guide|lead|talk) (?:me|us) through|f(?:ü|ue)hr\w* (?:mich|uns)|all(?:e)? schritte|syllabus|lehrplan|"
     r"von .{2,40} bis (?:zu|zur|zum)|one step (?:after|at)|all (?:the )?(?:steps|stages)|begin with .{3,80}(?:continue|end) with|from .{2,40} (?:to|until) (?:party|launch|finish|the end|delivery)|"
     r"(?:\w+-(?:day|week|month)|weekly|daily) (?:\w+ )?(?:plan|schedule|programme?)|(?:meal|lesson|budget|release|test|travel|ern(?:ä|ae)hrungs|essens|budget|trainings|zeit|"
     r"wochen|stunden|einarbeitungs)-? ?pl(?:an|äne)\b|zeitplan|inklusive budget)"),
    ("multi_step", "once this, that", 3, r"\A\W*(?:once|as soon as|after|when|sobald|nachdem|wenn) [^,?]{4,80}, [^?]{4,}\b(?:and|und|then|dann)\b[^?]*\Z"),
    ("multi_step", "organises something", 3, r"\A\W*(?:please |bitte )?(?:organi[sz]e|organisiere?|plan|plane|prepare|bereite)\b.{4,}"),
    ("multi_step", "over weeks", 2,
     r"\b(?:in|over|within|for|during|(?:ü|ue)ber|innerhalb|f(?:ü|ue)r|bis) (?:the )?(?:next |n(?:ä|ae)chsten? )?(?:\d+|two|three|four|six|eight|ten|"
     r"twelve|zwei|drei|vier|sechs|acht|zehn|zw(?:ö|oe)lf) (?:weeks?|months?|wochen|monate?n?)\b|\bin (?:the right|der richtigen) "
     r"(?:order|reihenfolge)\b"),
    ("multi_step", "plans in stages", 3.6,
     r"\b(?:step[- ]by[- ]step|roadmap|road map|milestones?|phases?|in stages|stage by stage|end[- ]to[- ]end|migrat(?:e|ion|ing)|"
     r"roll-?out|project plan|(?:training|study|learning|launch|move|moving|business|action|test|work|onboarding|week|"
     r"\d+[- ](?:day|week|month))[- ]plan|plan (?:a|an|the|my|our|out|for)|itinerary|curriculum|from start to finish|"
     r"schritt f(?:ü|ue)r schritt|schrittweise|fahrplan|meilensteine?|phasen|etappen|projektplan|trainingsplan|lernplan|"
     r"umzugsplan|umstell\w+|migrier\w*|migration|plane (?:einen|eine|mir|den|die)|plan f(?:ü|ue)r|arbeite .{1,30} aus|ablaufplan|"
     r"von anfang bis ende|reiseplan|reiseroute)\b"),
    ("multi_step", "a numbered list of orders", 6, r"(?:\b1[.)] .{3,300}\b2[.)] |\n\s*[-*] .{3,200}\n\s*[-*] .{3,200}\n\s*[-*] )"),
    ("multi_step", "several orders joined", 1.5,
     rf"\b(?:{_ACT}|{_MAKE})\b.{{5,120}}(?:,| and| und| sowie| plus)\b.{{0,12}}\b(?:{_ACT}|{_MAKE})\b.{{5,160}}(?:,| and| und| sowie)\b.{{0,12}}\b(?:{_ACT}|{_MAKE})\b"),
)  # fmt: skip
