-- The tables of kombu's SQLAlchemy transport (kombu/transport/sqlalchemy/models.py), which the embedded
-- default uses as Celery's broker. Made here because the role that runs the portal may not create tables.
CREATE SCHEMA broker;
CREATE SEQUENCE broker.queue_id_sequence;
CREATE SEQUENCE broker.message_id_sequence;
CREATE TABLE broker.kombu_queue (
  id integer PRIMARY KEY DEFAULT nextval('broker.queue_id_sequence'),
  name varchar(200) UNIQUE
);
CREATE TABLE broker.kombu_message (
  id integer PRIMARY KEY DEFAULT nextval('broker.message_id_sequence'),
  visible boolean,
  "timestamp" timestamp,
  payload text NOT NULL,
  version smallint NOT NULL,
  queue_id integer CONSTRAINT "FK_kombu_message_queue" REFERENCES broker.kombu_queue (id)
);
CREATE INDEX ix_kombu_message_visible ON broker.kombu_message (visible);
CREATE INDEX ix_kombu_message_timestamp ON broker.kombu_message ("timestamp");
CREATE INDEX ix_kombu_message_timestamp_id ON broker.kombu_message ("timestamp", id);

GRANT USAGE ON SCHEMA broker TO gatehouse_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA broker TO gatehouse_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA broker TO gatehouse_app;
