"""Top-level domains by which an address without a scheme is told from a word with a dot in it.

Written down by category from what IANA's root zone delegates, as its database lists it. Not in it: domains of one
company (`bmw`, `google`), those in other scripts than ASCII (`рф`, `xn--p1ai`), and what was delegated of late.
"""

_COUNTRIES = """
ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bv bw by bz ca cc cd
cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gb gd ge
gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki
km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my
mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se
sg sh si sj sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz
va vc ve vg vi vn vu wf ws ye yt za zm zw
"""
"""ISO 3166-1 in two letters as far as delegated, with `ac`, `eu`, `su` and `uk`."""

_FIRST = "com edu gov int mil net org arpa aero asia biz cat coop info jobs mobi museum name post pro tel travel xxx"
"""The generic and sponsored ones from before 2012."""

_PLACES = """
abudhabi africa alsace amsterdam arab bar barcelona bayern bcn berlin boston broadway brussels budapest bzh capetown
cologne corsica cymru doha dubai durban eus frl gal gent hamburg helsinki irish ist istanbul joburg kiwi koeln krd
kyoto lat latino london madrid melbourne miami moscow nagoya nrw nyc okinawa osaka paris quebec rio ruhr ryukyu
saarland scot stockholm swiss sydney taipei tatar tirol tokyo vegas vlaanderen wales wien yokohama zuerich
"""

_WORDS = """
abogado academy accountant accountants active actor ads adult agency airforce analytics apartments app archi army art
associates attorney auction audio author auto autos baby band bank bargains baseball basketball beauty beer best bet
bible bid bike bingo bio black blackfriday blog blue boats bond boo book bot boutique box build builders business buy
buzz cab cafe call cam camera camp capital car caravan cards care career careers cars casa case cash casino catering
catholic center ceo cern cfd channel charity chat cheap christmas church circle city claims cleaning click clinic
clothing cloud club coach codes coffee college community company compare computer condos construction consulting
contact contractors cooking cool country coupon coupons courses cpa credit creditcard creditunion cricket cruise
cruises dad dance data date dating day deal dealer deals degree delivery democrat dental dentist desi design dev
diamonds diet digital direct directory discount diy docs doctor dog domains dot download drive earth eat eco education
email energy engineer engineering enterprises equipment esq estate events exchange expert exposed express fail faith
family fan fans farm fashion fast feedback film final finance financial fire fish fishing fit fitness flights florist
flowers fly foo food football forex forsale forum foundation free fun fund furniture futbol fyi gallery game games
garden gay gift gifts gives giving glass global gmbh gold golf gop graphics gratis green gripe grocery group guide
guitars guru hair haus health healthcare help here hiphop hiv hockey holdings holiday homes horse hospital host
hosting hot hoteles hotels house how icu immo immobilien inc industries ink institute insurance insure international
investments jetzt jewelry joy juegos kaufen kids kim kitchen kosher land law lawyer lease legal lgbt life
lifeinsurance lifestyle lighting like limited limo link live living llc llp loan loans locker lol lotto love ltd ltda
luxe luxury maison makeup man management map market marketing markets mba med media meet meme memorial men menu moda
moe mom money mormon mortgage motorcycles mov movie music navy network new news ngo ninja now ong onl online ooo
organic page partners parts party pay pet pharmacy phd phone photo photography photos physio pics pictures pid pink
pizza place play plumbing plus poker porn press prime prod productions prof promo properties property protection pub
qpon racing radio read realestate realtor realty recipes red rehab reise reisen rent rentals repair report republican
rest restaurant review reviews rich rip rocks rodeo room rsvp rugby run safe safety sale salon sarl save scholarships
school schule science search secure security select services sex sexy shia shiksha shoes shop shopping show silk
singles site ski skin smile soccer social software solar solutions song soy spa space sport spot srl storage store
stream studio study style sucks supplies supply support surf surgery systems tattoo tax taxi team tech technology
tennis theater theatre tickets tienda tips tires today tools top total tours town toys trade trading training trust
tube tunes university uno vacations ventures versicherung vet viajes video villas vin vip vision vodka vote voting
voto voyage vuelos watch watches weather webcam website wed wedding whoswho wiki win wine winners work works world wow
wtf xyz yachts yoga you zero zip zone
"""
"""Words that anyone, or a trade, may have a name under."""

TOP_DOMAINS: frozenset[str] = frozenset(f"{_COUNTRIES} {_FIRST} {_PLACES} {_WORDS}".split())
"""Lower case, ASCII letters only."""
