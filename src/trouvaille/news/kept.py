"""What is kept about how a guest is told of new photos."""

from trouvaille.guests.kept import Part, of_table
from trouvaille.news.models import News

PARTS = (Part("told_of_new_photos", frozenset({"guest_news"}), of_table(News, News.guest_id)),)
