/*
 * Godwit's handover, for spin: two devices, two controllers, one thread whose input k causes output k, one migration.
 * Owner records, the commit with its outcome in one append, freeze and copy, checkpoint and cursor, purging, the output
 * fence, one append in flight, lost acknowledgements and lost appends, crashes, zombies, a re-grant by the frozen source,
 * a power cut of the broker. See README.md for how to run it, and for the rules that -D takes away.
 */
#ifndef N
#define N 2       /* inputs, and outputs */
#endif
#ifndef MAXE
#define MAXE 3    /* epochs */
#endif
#ifndef NL
#define NL 1      /* appends or acknowledgements lost */
#endif
#ifndef NC
#define NC 1      /* crashes of devices */
#endif
#define DEAD 0
#define STAGED 1
#define RUN 2
#define FROZEN 3
#define OUT 1
#define CK 2

/* the journal */
byte own_e = 1, own_h = 0;            /* newest owner record */
byte out_n = 0;                       /* outputs that are there */
byte ck_c = 0, ck_a = 0;              /* newest checkpoint: its cursor, and how many of its outputs were known to be appended */
byte purged = 0;                      /* inputs that are gone */
byte intent = 0;                      /* epoch that the migration starts from; 0 before it is written */
byte outcome = 0;                     /* 1 committed, 2 rolled back, 3 failed over */
byte won_e = 0;                       /* epoch of the commit */
byte given = 1;                       /* newest epoch that was begun: from a checkpoint, from a copy, or by a thaw */
byte synced = 0, shown = 0, losses = 0, crashes = 0;
#ifndef COPYTWICE
bit copied = 0;                       /* the key of the transfer is used up */
#endif

/* a device */
byte st[2], ep[2], cur[2], ack[2];    /* standing, epoch, inputs executed, outputs known to be appended */
byte inf_n[2], inf_e[2], inf_k[2], inf_a[2];   /* append in flight: number, epoch, kind, acknowledged at a checkpoint */
bit bad[2];                           /* the copy was damaged on its way */
/* a controller: the owner record that its decision rests on, where to, and the outcome */
byte cw[2], ct[2], co[2];

#ifdef NONDET
/* Which execution made output k (its epoch): of each device's state, of the checkpoint, of the journal. */
typedef versions { byte v[4] };
versions dev[2]; versions ck_v; versions log_v; versions inf_v[2];
byte safe[2];                         /* outputs that a durable checkpoint covers */
#endif

#ifdef NOFENCE
#define FENCE(h) 1
#else
#define FENCE(h) (inf_e[h] == own_e)
#endif
/* M3: the copy's digest is the source's */
#ifdef NODIGEST
#define ALIKE(h) 1
#else
#define ALIKE(h) (!bad[h])
#endif
/* H3: outputs that would come out differently wait for a checkpoint that covers them */
#if defined(NONDET) && !defined(EARLYOUT)
#define COVERED(h) (ack[h] < safe[h])
#else
#define COVERED(h) 1
#endif
/* R6: an epoch is begun once; whoever starts anew waits for the next */
#ifdef REUSE
#define NEWLY 1
#else
#define NEWLY (own_e > given)
#endif
/* A transfer's key opens once: a target that lost its copy gets no other under the same digest */
#ifdef COPYTWICE
#define ONCE 1
#else
#define ONCE (!copied)
#endif
#define OWNS(h) (ep[h] == own_e && own_h == h)
#define MAYSEND(h) ((st[h] == RUN || st[h] == FROZEN) && inf_k[h] == 0)

inline forget(h) {
  st[h] = DEAD; ep[h] = 0; cur[h] = 0; ack[h] = 0; bad[h] = 0
#ifdef NONDET
  ; safe[h] = 0; dev[h].v[1] = 0; dev[h].v[2] = 0; dev[h].v[3] = 0
#endif
}

inline landed(h) { inf_n[h] = 0; inf_e[h] = 0; inf_k[h] = 0; inf_a[h] = 0
#ifdef NONDET
  ; inf_v[h].v[1] = 0; inf_v[h].v[2] = 0; inf_v[h].v[3] = 0
#endif
}

/* The broker takes the append, or does not; the device hears of it, or does not. */
inline deliver(h, heard) {
  if
  :: FENCE(h) ->
     if
     :: inf_k[h] == OUT && inf_n[h] == out_n + 1 ->
        assert(inf_e[h] == own_e);                            /* I2 */
        out_n++;
#ifdef NONDET
        log_v.v[out_n] = inf_v[h].v[out_n];
#endif
        if :: heard && ep[h] == inf_e[h] && ack[h] < inf_n[h] -> ack[h] = inf_n[h] :: else fi
     :: inf_k[h] == OUT && inf_n[h] <= out_n ->
#ifdef NOUNIQ
        assert(inf_n[h] > out_n);                             /* I3: stored a second time */
#endif
#ifdef NONDET
        assert(log_v.v[inf_n[h]] == inf_v[h].v[inf_n[h]]);    /* the same number with other content */
#endif
        if :: heard && ep[h] == inf_e[h] && ack[h] < inf_n[h] -> ack[h] = inf_n[h] :: else fi
     :: inf_k[h] == OUT && inf_n[h] > out_n + 1 -> assert(inf_n[h] <= out_n + 1) /* I3: one is missing */
     :: inf_k[h] == CK ->
        if :: inf_n[h] > ck_c -> ck_c = inf_n[h]; ck_a = inf_a[h];
#ifdef NONDET
              ck_v.v[1] = inf_v[h].v[1]; ck_v.v[2] = inf_v[h].v[2]; ck_v.v[3] = inf_v[h].v[3];
#endif
           :: else fi;
#ifdef NONDET
        if :: heard && ep[h] == inf_e[h] && safe[h] < inf_n[h] -> safe[h] = inf_n[h] :: else fi
#endif
     fi
  :: else -> if :: ep[h] == inf_e[h] -> forget(h) :: else fi  /* fenced: it stops itself */
  fi;
#ifndef NOSYNC
  synced = out_n;
#endif
  landed(h)
}

/* What ends the migration, if one is open on this epoch: the owner record itself says it (R4). */
inline settle(o) {
  if :: intent != 0 && intent + 1 == own_e -> assert(outcome == 0); outcome = o :: else fi   /* I6 */
}

inline decide(c) {
  if :: own_e == cw[c] && own_e < MAXE ->
        own_e++; own_h = ct[c];
#ifndef TWOREC
        if :: co[c] == 1 -> won_e = own_e; settle(1) :: co[c] == 2 -> settle(2) :: else -> settle(3) fi
#else
        if :: co[c] == 1 -> won_e = own_e :: else fi
#endif
     :: else
  fi;
#ifdef TWOREC
  if :: intent != 0 && co[c] != 0 -> assert(outcome == 0 || outcome == co[c]); outcome = co[c] :: else fi;
#endif
  cw[c] = 0; ct[c] = 0; co[c] = 0
}

active proctype World() {
  byte h, c;
  st[0] = RUN; ep[0] = 1;
  do
  :: atomic { select(h : 0 .. 1); if
     /* the thread */
     :: st[h] == RUN && cur[h] < N ->
        assert(cur[h] >= purged || ep[h] != own_e);           /* its next input must be there */
        assert(!bad[h]);                                      /* I8 */
        cur[h]++;
#ifdef NONDET
        dev[h].v[cur[h]] = ep[h];
#endif
     :: MAYSEND(h) && ack[h] < cur[h] && COVERED(h) -> inf_n[h] = ack[h] + 1; inf_e[h] = ep[h]; inf_k[h] = OUT;
#ifdef NONDET
        inf_v[h].v[ack[h] + 1] = dev[h].v[ack[h] + 1];
#endif
     :: MAYSEND(h) && st[h] == RUN && cur[h] > ck_c ->        /* the store has it before its manifest is sent */
        inf_n[h] = cur[h]; inf_e[h] = ep[h]; inf_k[h] = CK; inf_a[h] = ack[h];
#ifdef NONDET
        inf_v[h].v[1] = dev[h].v[1]; inf_v[h].v[2] = dev[h].v[2]; inf_v[h].v[3] = dev[h].v[3];
#endif
     :: inf_k[h] != 0 -> deliver(h, 1)
     :: inf_k[h] != 0 && losses < NL -> losses++; deliver(h, 0)
     :: inf_k[h] != 0 && losses < NL -> losses++; landed(h)
     :: crashes < NC && st[h] != DEAD -> crashes++; forget(h) /* what it has sent arrives all the same */
     /* the migration */
     :: st[h] == RUN && OWNS(h) && intent == own_e && outcome == 0 -> st[h] = FROZEN
     :: st[h] == FROZEN && st[1 - h] == DEAD && intent == ep[h] && outcome == 0 && ONCE ->
#ifndef COPYTWICE
        copied = 1;
#endif
        st[1 - h] = STAGED; cur[1 - h] = cur[h];
#ifdef NOPENDING
        ack[1 - h] = cur[h];
#else
        ack[1 - h] = ack[h];
#endif
#ifdef NONDET
        dev[1 - h].v[1] = dev[h].v[1]; dev[1 - h].v[2] = dev[h].v[2]; dev[1 - h].v[3] = dev[h].v[3]; safe[1 - h] = 0;
#ifdef STAGEDISSAFE
        safe[1 - h] = cur[h];
#endif
#endif
        if :: bad[1 - h] = 0 :: bad[1 - h] = 1 fi
#ifdef THAWSAME
     :: st[h] == FROZEN && intent == ep[h] -> st[h] = RUN
#endif
     :: st[h] == STAGED && own_h == h && won_e == own_e && NEWLY -> st[h] = RUN; ep[h] = own_e; given = own_e
     :: st[h] == STAGED && intent != 0 && own_e > intent && !(own_h == h && won_e == own_e) -> forget(h)
     /* rolled back or re-granted: goes on, if nobody has executed between */
#ifdef THAWANY
     :: st[h] == FROZEN && own_h == h && own_e > ep[h] -> st[h] = RUN; ep[h] = own_e; given = own_e
#else
     :: st[h] == FROZEN && own_h == h && own_e == ep[h] + 1 -> st[h] = RUN; ep[h] = own_e; given = own_e
     :: st[h] == FROZEN && own_h == h && own_e > ep[h] + 1 -> forget(h)
#endif
     :: st[h] == FROZEN && OWNS(h) && own_e < MAXE -> own_e++; settle(2)      /* A3: asks for its own re-grant */
     :: (st[h] == FROZEN || st[h] == RUN) && own_h != h -> forget(h)          /* retired */
     :: st[h] == RUN && own_h == h && ep[h] != own_e -> forget(h)
     /* restored from the checkpoint */
     :: st[h] == DEAD && own_h == h && NEWLY ->
        assert(purged <= ck_c);                               /* what it must read again is there (R8) */
        st[h] = RUN; ep[h] = own_e; cur[h] = ck_c; given = own_e;
#ifdef NOPENDING
        ack[h] = ck_c;
#else
        ack[h] = ck_a;
#endif
#ifdef NONDET
        assert(out_n <= ck_c);                                /* or it would have to make released outputs again */
        safe[h] = ck_c; dev[h].v[1] = ck_v.v[1]; dev[h].v[2] = ck_v.v[2]; dev[h].v[3] = ck_v.v[3];
#endif
     :: else -> skip
     fi; h = 0 }

  :: atomic { select(c : 0 .. 1); if
     :: intent == 0 && own_e < MAXE -> intent = own_e
     :: cw[c] == 0 && own_e < MAXE -> cw[c] = own_e;
        if
        :: intent == own_e && outcome == 0 && st[1 - own_h] == STAGED && ALIKE(1 - own_h) -> ct[c] = 1 - own_h; co[c] = 1
        :: intent == own_e && outcome == 0 -> ct[c] = own_h; co[c] = 2
        :: ct[c] = 0; co[c] = 0
        :: ct[c] = 1; co[c] = 0
        fi
     :: cw[c] != 0 -> decide(c)
     :: cw[c] != 0 -> cw[c] = 0; ct[c] = 0; co[c] = 0         /* it dies */
     :: else -> skip
     fi;
     if :: cw[0] < cw[1] || (cw[0] == cw[1] && (ct[0] < ct[1] || (ct[0] == ct[1] && co[0] < co[1]))) ->   /* they are alike */
           c = cw[0]; cw[0] = cw[1]; cw[1] = c; c = ct[0]; ct[0] = ct[1]; ct[1] = c; c = co[0]; co[0] = co[1]; co[1] = c
        :: else
     fi; c = 0 }

#ifdef PURGEHIGH
  :: atomic { purged < out_n -> purged = out_n }
#else
  :: atomic { purged < ck_c && purged < shown -> purged++ }
#endif
  :: atomic { shown < out_n -> shown++ }                      /* the gateway shows an output */
  :: atomic { out_n > 0 -> out_n = synced; assert(out_n >= shown) }          /* I4: power cut */
  od
}
