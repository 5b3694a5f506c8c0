import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Entry',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('message', 'message'), ('refusal', 'refusal'), ('session', 'session')], max_length=8)),
                ('began_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('is_open', models.BooleanField()),
                ('queue_id', models.CharField(blank=True, max_length=40)),
                ('message_id', models.CharField(blank=True, max_length=600)),
                ('sender', models.CharField(blank=True, max_length=320)),
                ('recipient', models.CharField(blank=True, help_text='the first one', max_length=320)),
                ('recipient_count', models.PositiveIntegerField(default=0)),
                ('subject', models.CharField(blank=True, max_length=998)),
                ('size_bytes', models.BigIntegerField(default=0)),
                ('client', models.CharField(blank=True, max_length=32)),
                ('client_name', models.CharField(blank=True, max_length=255)),
                ('helo', models.CharField(blank=True, max_length=255)),
                ('login', models.CharField(blank=True, max_length=320)),
                ('service', models.CharField(blank=True, max_length=24)),
                ('direction', models.CharField(blank=True, choices=[('in', 'in'), ('out', 'out'), ('local', 'within')], max_length=5)),
                ('verdict', models.CharField(choices=[('delivered', 'delivered'), ('partly', 'partly delivered'), ('deferred', 'waiting for the next try'), ('bounced', 'returned to the sender'), ('rejected', 'refused'), ('discarded', 'discarded'), ('held', 'on hold'), ('queued', 'in the queue'), ('abandoned', 'given up by the sending side'), ('unknown', 'fate unknown'), ('logged-in', 'logged in'), ('login-failed', 'login failed')], max_length=12)),
                ('mechanism', models.CharField(blank=True, choices=[('dnsbl', 'blocklist'), ('greylist', 'greylisting'), ('helo', 'HELO check'), ('sender-domain', "sender's domain"), ('reverse-name', 'reverse name'), ('spf', 'SPF'), ('dmarc', 'DMARC'), ('virus', 'virus'), ('attachment', 'attachment type'), ('quota', 'mailbox full'), ('relay', 'relaying'), ('unknown-user', 'unknown recipient'), ('locked', 'lock'), ('sender-login', 'sender of another login'), ('blocked', "operator's block"), ('pipelining', 'pipelining'), ('protocol', 'protocol error'), ('size', 'message size'), ('milter', 'mail filter'), ('password', 'wrong password'), ('other', 'other')], max_length=16)),
                ('folder', models.CharField(blank=True, max_length=255)),
                ('reason', models.CharField(blank=True, max_length=1000)),
            ],
            options={
                'verbose_name_plural': 'entries',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='LogFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('head', models.CharField(max_length=64)),
                ('head_bytes', models.PositiveIntegerField()),
                ('name', models.CharField(max_length=255)),
                ('offset_bytes', models.BigIntegerField(default=0)),
                ('last_moment', models.FloatField(null=True)),
                ('line_count', models.BigIntegerField(default=0)),
                ('unknown_count', models.BigIntegerField(default=0)),
                ('read_at', models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name='LooseLines',
            fields=[
                ('key', models.CharField(max_length=200, primary_key=True, serialize=False)),
                ('text', models.TextField()),
            ],
            options={
                'verbose_name_plural': 'loose lines',
            },
        ),
        migrations.CreateModel(
            name='Party',
            fields=[
                ('pk', models.CompositePrimaryKey('address', 'entry', 'role', blank=True, editable=False, primary_key=True, serialize=False)),
                ('entry', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='parties', to='maillog.entry')),
                ('address', models.CharField(max_length=320)),
                ('domain', models.CharField(max_length=253)),
                ('role', models.CharField(choices=[('s', 'Sender'), ('r', 'Recipient'), ('o', 'Original'), ('l', 'Login')], max_length=1)),
            ],
            options={
                'verbose_name_plural': 'parties',
            },
        ),
        migrations.CreateModel(
            name='EntryLines',
            fields=[
                ('entry', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='lines', serialize=False, to='maillog.entry')),
                ('text', models.TextField()),
            ],
            options={
                'verbose_name_plural': 'lines of entries',
            },
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['began_at'], name='entry_began_at'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(condition=models.Q(('queue_id', ''), _negated=True), fields=['queue_id'], name='entry_queue_id'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(condition=models.Q(('message_id', ''), _negated=True), fields=['message_id'], name='entry_message_id'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(condition=models.Q(('client', ''), _negated=True), fields=['client', 'id'], name='entry_client'),
        ),
        migrations.AddConstraint(
            model_name='logfile',
            constraint=models.UniqueConstraint(fields=('head', 'head_bytes'), name='log_file_head_once'),
        ),
        migrations.AddIndex(
            model_name='party',
            index=models.Index(fields=['domain', 'entry'], name='party_domain'),
        ),
        migrations.AddIndex(
            model_name='party',
            index=models.Index(fields=['entry'], name='party_entry'),
        ),
    ]
