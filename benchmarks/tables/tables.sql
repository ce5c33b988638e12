-- The tables of results. Each file of results is a table of texts of the same name, in which the
-- column `place` is the number of the row; without ORDER BY, rows stand in the order of the file.
--
-- The columns of a query are those of the table, under the same heads. If its last two columns are
-- `across` and `cell`, each value of `across` is a column with its cells. With min() or max() in a
-- query, SQLite takes a bare column from the row of the minimum or maximum. Names of columns stand
-- in [brackets] where they need quotes, since a wrong name in "quotes" would be a text.
--
-- Beside the functions of SQLite there are, of one row:
--   digits(value, format)             a number, in a format of Python
--   interval(value, low, high)        a ratio and its 95 % interval
--   bounds(value, low, high, format)  a number and its interval in brackets
--   difference(value, low, high)      the same, bold if the interval excludes zero
--   change(before, after)             both numbers
--   tail(path)                        the path; the last two parts of a long one
-- and over the rows of a group:
--   spread(value, format)             mean and standard deviation over seeds
--   half_range(value)                 mean and half of the range over seeds
--   mean(value), median(value), deviation(value)
--   auc(value, positive)              share of pairs in which the positive is larger
-- An empty cell is NULL, which they leave out.

CREATE VIEW atoms_arm(nr, arm, title) AS VALUES
  (1, 'kernel', 'kernel model (sGDML)'),
  (2, 'frozen', 'frozen SevenNet-0'),
  (3, 'ia3', 'IA3'),
  (4, 'lora', 'LoRA, r = 4'),
  (5, 'lora16', 'LoRA, r = 16'),
  (6, 'full', 'all weights');

CREATE VIEW bangla_greedy AS
SELECT * FROM bangla_generation
WHERE [group] = 'all' AND method IS NOT NULL AND coalesce(decoding, 'greedy') = 'greedy';

CREATE VIEW bangla_tiny AS
SELECT *, coalesce(decoding, 'greedy') = 'greedy' AS greedy,
  coalesce(decoding, 'sampled') = 'sampled' AS sampled
FROM bangla_generation
WHERE [group] = 'all' AND method IS NOT NULL AND recipe = 'bangla/register_tiny';

CREATE VIEW bangla_tried(method, title) AS VALUES
  ('always_apni', 'one polite answer to everything (no model)'),
  ('always_tumi', 'one familiar answer to everything (no model)'),
  ('zero_shot', 'base model'),
  ('few_shot', 'base model, three examples in the prompt'),
  ('format_prompted', 'base model, level in the prompt'),
  ('adapter', 'adapter'),
  ('adapter_format_prompted', 'adapter, level in the prompt');

-- In the order of the tables; whether the answer depends on the wording of a class.
CREATE VIEW biomed_way(nr, method, title, wording) AS VALUES
  (1, 'raw_pixels', 'raw pixels', 'no'),
  (2, 'class_mean', 'class mean', 'no'),
  (3, 'logistic_regression', 'logistic regression', 'no'),
  (4, 'blockwise_lda', 'block-wise LDA', 'no'),
  (5, 'lp_plus_plus', 'LP++', 'yes'),
  (6, 'tip_adapter', 'Tip-Adapter', 'yes'),
  (7, 'tip_adapter_f', 'Tip-Adapter-F', 'yes'),
  (8, 'zero_shot', 'zero shot', 'yes'),
  (9, 'linear_probe', 'probe of the random projection', 'no'),
  (10, 'single_template', 'single template', 'yes'),
  (11, 'single_template_kept', 'single template kept', 'yes'),
  (12, 'prompt_augmentation', 'prompt augmentation', 'yes'),
  (13, 'coop', 'CoOp', 'yes'),
  (14, 'cocoop', 'CoCoOp', 'yes'),
  (15, 'kgcoop', 'KgCoOp', 'yes'),
  (16, 'biomed_coop', 'BiomedCoOp', 'yes'),
  (17, 'maple', 'MaPLe', 'yes'),
  (18, 'lora', 'LoRA', 'yes'),
  (19, 'dual_anchor_loss', 'dual anchors as described', 'yes'),
  (20, 'dual_anchor', 'dual anchors with our keeping', 'yes'),
  (21, 'dual_anchor_lora', 'dual anchors with our keeping, and LoRA', 'yes');

CREATE VIEW biomed_shots AS
SELECT * FROM biomed JOIN biomed_way USING (method) WHERE part = 'few-shot';

-- The balanced accuracy by number of shots; the other scores are at eight shots.
CREATE VIEW biomed_set AS
SELECT towers, data, method, title, min(place) AS place,
  max(prompt) AS prompt, max(draws) AS draws,
  digits(max(balanced) FILTER (WHERE shots = '2'), '.3f') AS k2,
  digits(max(balanced) FILTER (WHERE shots = '8'), '.3f') AS k8,
  digits(max(balanced) FILTER (WHERE shots = '16'), '.3f') AS k16,
  max(bounds(less_regression, gap_low, gap_high, '+.3f'))
    FILTER (WHERE shots = '8' AND method <> 'logistic_regression') AS gap,
  digits(max(auroc) FILTER (WHERE shots = '8'), '.3f') AS auroc,
  digits(max(sensitivity) FILTER (WHERE shots = '8'), '.3f') AS sensitivity,
  digits(max(specificity) FILTER (WHERE shots = '8'), '.3f') AS specificity,
  digits(max(ece) FILTER (WHERE shots = '8'), '.3f') AS ece
FROM biomed_methods JOIN biomed_way USING (method)
GROUP BY towers, data, method;

-- Scores of the search for settings; `both` is the mean over the training wording and six others.
CREATE VIEW biomed_search AS
SELECT *, (accuracy + wording_mean) / 2 AS both FROM biomed_tuning;

-- The last state of each equation of an arm, beside its first and the frozen base's.
CREATE VIEW generation_end AS
SELECT end.*, end.equation IN ('burgers', 'gray_scott') AS old,
  iif(end.stage <> first.stage, first.flow, NULL) AS first_flow,
  base.flow AS base_flow, base.decoder AS base_decoder
FROM (SELECT *, max(stage + 0) FROM continual_generation GROUP BY arm, seed, equation) AS end
JOIN (SELECT *, min(stage + 0) FROM continual_generation GROUP BY arm, seed, equation) AS first
  USING (arm, seed, equation)
LEFT JOIN (SELECT *, min(stage + 0) FROM continual_generation WHERE arm = 'frozen base'
  GROUP BY seed, equation) AS base
  ON base.seed = end.seed AND base.equation = end.equation;

CREATE VIEW pde_layers(nr, targets, layers) AS VALUES
  (1, 'all-linear', 'linear layers'),
  (2, 'conv', 'convolutions'),
  (3, 'all', 'all layers');

CREATE VIEW seismic_method(nr, method, title) AS VALUES
  (1, 'identity', 'input'),
  (2, 'band-pass', 'band-pass'),
  (3, 'median 5', 'median'),
  (4, 'f-k', 'f-k'),
  (5, 'f-x SSA', 'f-x SSA'),
  (6, 'bp + SSA', 'bp + SSA'),
  (7, 'TV', 'TV'),
  (8, 'common-mode', 'common-mode'),
  (9, 'U-Net', 'U-Net'),
  (10, 'LoRA + head', 'Scionwood');

-- The mean over gathers for each seed, by class of noise, and over all classes.
CREATE VIEW seismic_snr AS
SELECT min(place) AS place, noise, method, seed, mean(snr) AS snr, trained, parameters
FROM seismic_accuracy WHERE noise <> 'none' GROUP BY noise, method, seed
UNION ALL
SELECT 10000 + min(place), '**mean**', method, seed, mean(snr), trained, parameters
FROM seismic_accuracy WHERE noise <> 'none' GROUP BY method, seed;

CREATE VIEW field_method(column_nr, method, head) AS VALUES
  (1, 'band-pass', 'band-pass'),
  (2, 'f-k', 'f-k'),
  (3, 'f-x SSA', 'f-x SSA'),
  (4, 'TV', 'TV'),
  (5, 'WaveDenoiser', 'WaveDenoiser'),
  (6, 'seismic/denoise', '`seismic/denoise`'),
  (7, 'Scionwood, no gate', 'field model, no gate'),
  (8, 'Scionwood', 'Scionwood');

CREATE VIEW field_record(record_nr, [group], record) AS VALUES
  (1, 'viking', 'Viking Graben shots'),
  (2, 'F3', 'F3 inlines'),
  (3, 'salt', 'section over salt'),
  (4, 'cube', 'post-stack cube'),
  (5, 'das', 'DAS event'),
  (6, 'station', 'earthquake');

-- The aims of the field scorecard: bars that were set before the models were trained. The worst
-- record counts: the lowest number for bars that are `at least`, else the highest. Bars with `over`
-- lie above the best number of these methods. Of `live` records alone, those that Scionwood passes
-- through count as reached. The bars over DAS-N2N are its SNR with its published weights, from one
-- earlier run on the same event: no registry has the package, so no script can repeat the run.
-- The last column says what was tried where an aim is not reached.
CREATE VIEW field_aim(nr, aim, [group], noise, number, side, bar, cases, over, records, tried) AS
VALUES
  (1, 'clean gathers of every dip and curvature: SNR', 'dips', 'none', 'lowest', 'at least', 20,
    '', '', 'all', ''),
  (2, 'clean gathers of 1 to 6 traces', 'traces', 'none', 'lowest', 'at least', 20,
    '', '', 'live', ''),
  (3, 'clean, periods of 6 to 60 samples', 'periods', 'none', 'lowest', 'at least', 15,
    'period 6, period 8, period 12, period 16, period 24, period 33, period 50, period 60',
    '', 'all', ''),
  (4, 'clean, periods of 4 and 80 samples', 'periods', 'none', 'lowest', 'at least', 15,
    'period 4, period 80', '', 'live', ''),
  (5, 'Viking with gain, clean', 'viking', 'none', 'snr', 'at least', 18,
    't^2 gain', '', 'all', ''),
  (6, 'Viking as recorded: energy removed, %', 'viking', 'none', 'removed', 'at most', 5,
    'as recorded', '', 'all', ''),
  (7, 'Viking + white, 1 dB over the best filter', 'viking', 'white', 'snr', 'at least', 1,
    '', 'band-pass, f-k, f-x SSA, TV', 'all', ''),
  (8, 'Viking + band, 1 dB over the best filter', 'viking', 'band', 'snr', 'at least', 1,
    '', 'band-pass, f-k, f-x SSA, TV', 'all', 'The gate gave 5.1; now lost signal goes back first. '
    || 'Strong events along slopes stand at their limit.'),
  (9, 'Viking + FORGE, 1 dB over the best filter', 'viking', 'FORGE', 'snr', 'at least', 1,
    '', 'band-pass, f-k, f-x SSA, TV', 'all', 'The gate costs nothing now. The noise has no part '
    || 'without signal, so its level cannot be found and told.'),
  (10, 'F3: correlation of what was removed with the next inline', 'F3', 'none', 'next_inline',
    'at most', 0.2, '', '', 'all', 'The model of shots: 0.21.'),
  (11, 'F3 + white, over f-x SSA', 'F3', 'white', 'snr', 'at least', 0,
    '', 'f-x SSA', 'all', 'With the earlier rules of the gate 3.4, because they kept more of the '
    || 'noisy input. The model removes too much of these 18 traces. `--slices both` has 3.6 on '
    || 'inlines 12 to 22.'),
  (12, 'salt section: energy removed, %', 'salt', 'none', 'removed', 'at most', 3,
    '', '', 'all', ''),
  (13, 'salt section + white, over f-x SSA', 'salt', 'white', 'snr', 'at least', 0,
    '', 'f-x SSA', 'all', ''),
  (14, 'post-stack cube: energy removed, %', 'cube', 'none', 'removed', 'at most', 8,
    '', '', 'all', ''),
  (15, 'post-stack cube + white, over f-x SSA', 'cube', 'white', 'snr', 'at least', 0,
    '', 'f-x SSA', 'all', ''),
  (16, 'DAS event + white, over DAS-N2N', 'das', 'white', 'snr', 'at least', 9.9,
    '', '', 'all', ''),
  (17, 'DAS event + FORGE, over DAS-N2N', 'das', 'FORGE', 'snr', 'at least', 9.0,
    '', '', 'all', ''),
  (18, 'DAS event + ProdML, over DAS-N2N', 'das', 'ProdML', 'snr', 'at least', 6.5,
    '', '', 'all', '`prodml_2.0.h5` was not at hand'),
  (19, 'DAS event alone', 'das', 'none', 'snr', 'at least', 20, '', '', 'all', ''),
  (20, 'earthquake, clean', 'station', 'none', 'snr', 'at least', 25,
    'as recorded', '', 'all', ''),
  (21, 'earthquake + white', 'station', 'white', 'snr', 'at least', 3.6,
    'as recorded', '', 'all', ''),
  (22, 'earthquake + instrument', 'station', 'instrument', 'snr', 'at least', 3.6,
    'as recorded', '', 'all', 'Strong short events keep 0.3 to 0.4. The noise lies below '
    || '0.5 Hz, within one frequency of the model. WaveDenoiser: 0.4 dB.'),
  (23, 'earthquake above 1 Hz + white, over WaveDenoiser', 'station', 'white', 'snr', 'at least', 0,
    'above 1 Hz', 'WaveDenoiser', 'all', ''),
  (24, 'earthquake above 1 Hz + instrument, over WaveDenoiser', 'station', 'instrument', 'snr',
    'at least', 0, 'above 1 Hz', 'WaveDenoiser', 'all', 'As above. A band-pass has 7.8 dB.');

-- The number of each method for each aim; NULL where all records were passed through.
CREATE VIEW field_number AS
SELECT nr, method, passed, iif(side = 'at least', lowest, highest) AS value FROM (
  SELECT nr, side, method, min(value) AS lowest, max(value) AS highest,
    min(passed = records) AS passed
  FROM (
    SELECT nr, side, method, passed, result.records,
      iif(aim.records = 'live' AND method = 'Scionwood',
        iif(passed + 0 < result.records + 0, lowest_live + 0, NULL), result.value + 0) AS value
    FROM field_aim AS aim JOIN (
      SELECT *, 'snr' AS number, snr AS value FROM seismic_field
      UNION ALL SELECT *, 'lowest', lowest FROM seismic_field
      UNION ALL SELECT *, 'removed', removed FROM seismic_field
      UNION ALL SELECT *, 'next_inline', next_inline FROM seismic_field
    ) AS result USING ([group], noise, number)
    WHERE result.value IS NOT NULL
      AND (cases = '' OR instr(', ' || cases || ', ', ', ' || [case] || ', '))
  ) GROUP BY nr, method
);

CREATE VIEW field_verdict AS
WITH limited AS (
  SELECT aim.*, ours.nr IS NOT NULL AS measured, ours.value AS ours, ours.passed,
    before.value AS before, free.value AS free,
    iif(over = '', bar, bar + (SELECT max(value) FROM field_number AS rival
      WHERE rival.nr = aim.nr AND instr(', ' || over || ', ', ', ' || method || ', '))) AS bound,
    (SELECT digits(value, iif(abs(value) < 1, '.2f', '.1f')) || ' (' || method || ')'
      FROM field_number AS rival JOIN field_method USING (method)
      WHERE rival.nr = aim.nr AND column_nr <= 4 AND side = 'at least' AND value IS NOT NULL
      ORDER BY value DESC, column_nr LIMIT 1) AS best
  FROM field_aim AS aim
  LEFT JOIN field_number AS ours ON ours.nr = aim.nr AND ours.method = 'Scionwood'
  LEFT JOIN field_number AS before ON before.nr = aim.nr AND before.method = 'seismic/denoise'
  LEFT JOIN field_number AS free ON free.nr = aim.nr AND free.method = 'Scionwood, no gate'
)
SELECT *, CASE
  WHEN NOT measured OR bound IS NULL THEN 'not measured'
  WHEN ours IS NULL THEN 'met: passed through'
  ELSE iif(iif(side = 'at least', ours >= bound, ours <= bound), 'met', 'not met')
    || iif(passed, ': passed through', '')
  END AS verdict
FROM limited;

-- The runs of an experiment over its seeds; columns without a mean are those of the first one.
CREATE VIEW methods_run AS
SELECT *, method || '/' || name AS experiment, min(place) AS first, mean(score) AS mean_score,
  mean(forgetting) AS mean_forgetting, mean(trained) AS mean_trained, mean(total) AS mean_total,
  spread(score, 'z.3f') AS scores, spread(forgetting, 'z.3f') AS coarse,
  spread(forgetting, 'z.4f') AS fine, mean(file_size) AS bytes, mean(train_time) AS seconds
FROM methods WHERE status = 'success' GROUP BY task, method, name;

-- In bold what no other experiment beats in both means; a star stands at an end of the rates tried.
CREATE VIEW methods_score AS
SELECT task, first, mean_score, scores, iif(experiment = 'frozen/untouched' OR EXISTS (
    SELECT 1 FROM methods_run AS other
    WHERE other.task = run.task AND other.experiment <> 'frozen/untouched'
      AND other.mean_score <= run.mean_score AND other.mean_forgetting <= run.mean_forgetting
      AND (other.mean_score < run.mean_score OR other.mean_forgetting < run.mean_forgetting)
  ), experiment, '**' || experiment || '**') AS experiment,
  iif(max(mean_forgetting) OVER (PARTITION BY task) > 0.1, coarse, fine) AS forgetting,
  digits(mean_trained, ',.0f') AS trained, digits(mean_trained / mean_total, '.1%') AS share,
  digits(lr, 'g') || iif(grid LIKE digits(lr, 'g') || ' %' OR grid LIKE '% ' || digits(lr, 'g'),
    ' *', '') AS rate
FROM methods_run AS run;

CREATE VIEW study_method(nr, method, title) AS VALUES
  (1, 'untouched', 'untouched'),
  (2, 'ngram', 'frozen, with n-grams'),
  (3, 'raw', 'raw input, linear'),
  (4, 'class_mean', 'frozen, class means'),
  (5, 'regression', 'frozen, regression'),
  (6, 'last_lda', 'frozen, LDA of the last layer'),
  (7, 'block_lda', 'frozen, block-wise LDA'),
  (8, 'untrained', 'block-wise LDA before training'),
  (9, 'last_block', 'last block, all weights'),
  (10, 'lora', 'LoRA'),
  (11, 'dora', 'DoRA'),
  (12, 'ia3', 'IA3'),
  (13, 'bitfit', 'biases'),
  (14, 'disel', 'DISeL'),
  (15, 'loft', 'LOFT'),
  (16, 'smoa', 'SMoA'),
  (17, 'gpart', 'GPart'),
  (18, 'full', 'last blocks, all weights'),
  (19, 'lora_long', 'LoRA, five times the seconds'),
  (20, 'full_long', 'last blocks, all weights, five times the seconds'),
  (21, 'lora_minute', 'LoRA, a minute'),
  (22, 'full_minute', 'last blocks, all weights, a minute'),
  (23, 'cnn', 'CNN from scratch'),
  (24, 'scratch', 'ViT from scratch'),
  (25, 'p2d_heads', 'P2D heads'),
  (26, 'peml', 'PEML'),
  (27, 'pixels', 'random forest on filter responses'),
  (28, 'linear', 'frozen, linear head'),
  (29, 'unet', 'U-Net from scratch');

CREATE VIEW study_row AS
SELECT summary.*, nr, title, task IN ('photos', 'mni', 'pneumonia', 'noise') AS images,
  instr('photos mni pneumonia noise manual licences', task) AS task_nr
FROM study_summary AS summary JOIN study_method USING (method);

-- table: audit_probes
SELECT run, probe, found, [limit], iif(result = 'broken', '**broken**', result) AS result
FROM audit_probes;

-- table: audit_reasons
SELECT run, input, question, found FROM audit_reasons;

-- table: audit_weights
-- The limit of the accuracy alone is the lowest of the other clean adapters: the rank that allows
-- 5 % of false alarms among 29 or 30 adapters.
WITH score(nr, number, kind, value, over) AS (
  SELECT 1, 'accuracy on clean data alone, no score of `audit`', kind, -accuracy,
    CASE kind
      WHEN 'clean' THEN accuracy + 0 < (
        SELECT min(accuracy + 0) FROM audit_adapters AS other
        WHERE other.kind = 'clean' AND other.place <> audit_adapters.place)
      ELSE accuracy + 0 < (SELECT min(accuracy + 0) FROM audit_adapters WHERE kind = 'clean')
    END
  FROM audit_adapters
  UNION ALL SELECT 2, 'turn and mean over all numbers together, a score of `audit`', kind,
    departure, departed FROM audit_weights
  UNION ALL SELECT 3, 'turn from the mean change of the references, a score of `audit`', kind,
    turn, turned FROM audit_weights
  UNION ALL SELECT 4, 'spread of the norms over modules (arXiv 2605.30189)', kind,
    [|z| spread of norms], NULL FROM audit_weights
  UNION ALL SELECT 5, 'mean over all numbers, a score of `audit`', kind, score, far
    FROM audit_weights
  UNION ALL SELECT 6, 'norms only', kind, [|z| norm], NULL FROM audit_weights
  UNION ALL SELECT 7, 'largest singular values only', kind, [|z| largest], NULL FROM audit_weights
  UNION ALL SELECT 8, 'concentrations only', kind, [|z| concentration], NULL FROM audit_weights
  UNION ALL SELECT 9, 'entropies only', kind, [|z| entropy], NULL FROM audit_weights
  UNION ALL SELECT 10, 'kurtoses only', kind, [|z| kurtosis], NULL FROM audit_weights
)
SELECT number, AUC, "clean called anomalous", "poisoned called anomalous" FROM (
  SELECT nr, number, digits(auc(value, kind = 'poisoned'), '.3f') AS AUC,
    digits(100 * mean(over) FILTER (WHERE kind = 'clean'), '.0f') || ' %'
      AS "clean called anomalous",
    digits(100 * mean(over) FILTER (WHERE kind = 'poisoned'), '.0f') || ' %'
      AS "poisoned called anomalous"
  FROM score WHERE kind IN ('clean', 'poisoned') GROUP BY nr
  UNION ALL
  SELECT 11, 'adapters of rank 8: ' || sum(score = 'no reference') || ' of ' || count(*)
    || ' have no reference', NULL, NULL, NULL
  FROM audit_weights WHERE kind = 'rank 8'
) ORDER BY nr;

-- table: audit_stealth_adapters
SELECT model, kind, count(*) AS adapters, spread(score, '.3f') AS accuracy,
  spread([mark succeeds], '.2f') AS "mark succeeds", spread(trigger, '.2f') AS "strongest mark found"
FROM audit_stealth_adapters GROUP BY model, kind;

-- table: audit_stealth
SELECT model, number, sum(kind = 'clean') AS clean, sum(kind = 'poisoned') AS poisoned,
  digits(auc(value, kind = 'poisoned'), '.2f') AS AUC,
  sum(over) FILTER (WHERE kind = 'clean') AS "clean called anomalous",
  sum(over = '0') FILTER (WHERE kind = 'poisoned') AS "poisoned not found"
FROM audit_stealth GROUP BY model, number ORDER BY model, auc(value, kind = 'poisoned') DESC;

-- table: audit_prompts
WITH score(nr, what, kind, value) AS (
  SELECT 1, 'accuracy', kind, accuracy FROM audit_prompts
  UNION ALL SELECT 2, 'patch succeeds', kind, [patch succeeds] FROM audit_prompts
  UNION ALL SELECT 3, 'cut: changed', kind, [cut: changed] FROM audit_prompts
  UNION ALL SELECT 4, 'cut: to one class', kind, [cut: to one class] FROM audit_prompts
  UNION ALL SELECT 5, 'swap: changed', kind, [swap: changed] FROM audit_prompts
  UNION ALL SELECT 6, 'swap: to one class', kind, [swap: to one class] FROM audit_prompts
  UNION ALL SELECT 7, 'freeze: changed', kind, [freeze: changed] FROM audit_prompts
  UNION ALL SELECT 8, 'freeze: to one class', kind, [freeze: to one class] FROM audit_prompts
  UNION ALL SELECT 9, 'inversion index', kind, [inversion index] FROM audit_prompts
)
SELECT what, spread(value, '.2f') FILTER (WHERE kind = 'clean') AS clean,
  spread(value, '.2f') FILTER (WHERE kind = 'poisoned') AS poisoned,
  iif(nr > 2, digits(auc(value, kind = 'poisoned'), '.2f'), NULL) AS AUC
FROM score GROUP BY nr
UNION ALL
SELECT 'the inverted patch has the right class',
  sum([inverts the class]) FILTER (WHERE kind = 'clean'),
  sum([inverts the class]) FILTER (WHERE kind = 'poisoned'), NULL
FROM audit_prompts;

-- table: audit_training
SELECT corruption, coalesce(broken, 'not found') AS "broken properties", [CPU s]
FROM audit_training WHERE kind = 'planted fault'
UNION ALL
SELECT count(*) || ' correct ones', count(broken) || ' called broken', digits(mean([CPU s]), '.1f')
FROM audit_training WHERE kind = 'correct';

-- table: bangla_card
SELECT title AS method,
  spread(value, '.2f') FILTER (WHERE suite = 'unseen_verb_tense') AS "generated requests",
  spread(value, '.2f') FILTER (WHERE suite = 'handwritten') AS "hand-written prompts"
FROM bangla_tiny JOIN bangla_tried USING (method)
WHERE measure = 'register_match' AND greedy
GROUP BY method ORDER BY min(place);

-- table: bangla_methods
SELECT replace(method, '_', ' ') AS method,
  spread(value, '.2f') FILTER (WHERE suite = 'unseen_verb_tense' AND greedy) AS "unseen, greedy",
  spread(value, '.2f') FILTER (WHERE suite = 'unseen_verb_tense' AND sampled) AS "unseen, sampled",
  spread(value, '.2f') FILTER (WHERE suite = 'handwritten' AND greedy) AS "test half, greedy",
  spread(value, '.2f') FILTER (WHERE suite = 'handwritten' AND sampled) AS "test half, sampled",
  spread(value, '.2f') FILTER (WHERE suite = 'handwritten_dev' AND greedy)
    AS "development half, greedy",
  spread(value, '.2f') FILTER (WHERE suite = 'handwritten_dev' AND sampled)
    AS "development half, sampled"
FROM bangla_tiny WHERE measure = 'register_match' GROUP BY method ORDER BY min(place);

-- table: bangla_similarity
SELECT replace(method, '_', ' ') AS method,
  spread(value, '.2f') FILTER (WHERE suite = 'handwritten' AND measure = 'over_formal')
    AS "over-formal",
  spread(value, '.2f') FILTER (WHERE suite = 'handwritten' AND measure = 'ended') AS ended,
  spread(value, '.1f') FILTER (WHERE suite = 'unseen_verb_tense' AND measure = 'bleu') AS BLEU,
  spread(value, '.1f') FILTER (WHERE suite = 'unseen_verb_tense' AND measure = 'chrf') AS chrF,
  spread(value, '.1f') FILTER (WHERE suite = 'unseen_verb_tense' AND measure = 'rouge_l')
    AS "ROUGE-L"
FROM bangla_tiny WHERE greedy GROUP BY method ORDER BY min(place);

-- table: bangla_levels
WITH model(nr, recipe, method, model) AS (VALUES
  (1, 'shipped', 'zero_shot', 'base of the shipped run'),
  (2, 'shipped', 'adapter', 'shipped run (seed 0)'),
  (3, 'bangla/register_tiny', 'zero_shot', 'base'),
  (4, 'bangla/register_tiny', 'adapter', 'register_tiny'),
  (5, 'bangla/dpo_register', 'zero_shot', 'base'),
  (6, 'bangla/dpo_register', 'adapter', 'dpo_register')
), part(suite, requests, turn) AS (VALUES
  ('unseen_verb_tense', 'unseen', 1),
  ('handwritten', 'test half', 2),
  ('handwritten_dev', 'development half', 3)
), line AS (
  SELECT model, requests, nr, recipe, turn,
    spread(value, '.2f') FILTER (WHERE [group] = 'all') AS everything,
    spread(value, '.2f') FILTER (WHERE [group] = 'tui') AS tui,
    spread(value, '.2f') FILTER (WHERE [group] = 'tumi') AS tumi,
    spread(value, '.2f') FILTER (WHERE [group] = 'apni') AS apni,
    spread(value, '.2f') FILTER (WHERE [group] = 'plain') AS plain,
    spread(value, '.2f') FILTER (WHERE [group] = 'hard') AS hard
  FROM model JOIN part JOIN bangla_generation USING (recipe, method, suite)
  WHERE measure = 'register_match' AND coalesce(decoding, 'greedy') = 'greedy'
  GROUP BY nr, turn
)
-- Both recipes started from the same base, which needs no second line.
SELECT model, requests, everything AS [all], tui, tumi, apni, plain AS "a sentence or two",
  hard AS longer
FROM line GROUP BY model, requests, everything, tui, tumi, apni, plain, hard
ORDER BY (min(nr) + 1) / 2, turn, nr;

-- table: bangla_checker
WITH half(half) AS (VALUES ('dev'), ('test')), line AS (
  SELECT half, subject LIKE 'letters%' AS letters, measure, value
  FROM half JOIN bangla ON subject IN ('sentences, ' || half, 'letters, ' || half)
)
SELECT half || ' (' || digits(max(value) FILTER (WHERE measure = 'sentences'), '.0f') || ')'
    AS "half (sentences)",
  digits(max(value) FILTER (WHERE measure = 'precision' AND NOT letters), '.2f') AS precision,
  digits(max(value) FILTER (WHERE measure = 'recall' AND NOT letters), '.2f') AS recall,
  digits(max(value) FILTER (WHERE measure = 'false_positives_right'), '.2f') AS "correct, flagged",
  digits(max(value) FILTER (WHERE measure = 'false_positives_trap'), '.2f') AS "traps, flagged",
  digits(max(value) FILTER (WHERE measure = 'abstention'), '.2f') AS abstention,
  digits(max(value) FILTER (WHERE measure = 'f1' AND letters), '.2f') AS "parts of letters, F1"
FROM line GROUP BY half;

-- table: bangla_lexicon
WITH line(nr, title, subject, measure, form) AS (VALUES
  (1, 'forms in wordfreq, each counted once', 'wordfreq', 'all', '.2f'),
  (2, 'the same without `tui`', 'wordfreq', 'all but tui', '.2f'),
  (3, 'the same, only `tui`', 'wordfreq', 'tui', '.2f'),
  (4, 'cells of the paradigm in wordfreq', 'wordfreq', 'cells', '.2f'),
  (5, 'verb forms of bkit in the lexicon', 'bkit', 'of them read here', '.2f'),
  (6, 'forms of the lexicon', 'lexicon', 'forms', '.0f'),
  (7, 'speed of the normaliser, MB/s', 'normalise', 'MB/s', '.1f'),
  (8, 'speed of the checker, MB/s', 'check_text', 'MB/s', '.1f')
)
SELECT title AS measure, digits(value, form) AS value
FROM line JOIN bangla USING (subject, measure) ORDER BY nr;

-- table: bangla_fertility
SELECT subject AS tokenizer, digits(a_word.value, '.2f') AS "tokens per word",
  digits(words.value, '.0f') AS "words in 2,048 tokens"
FROM bangla AS a_word JOIN bangla AS words USING (subject)
WHERE a_word.measure = 'tokens a word' AND words.measure = 'words in 2048 tokens'
ORDER BY a_word.place;

-- table: bangla_rewriter
WITH line(nr, title, subject) AS (VALUES
  (1, 'sentences, tumi to apni', 'sentences, test, tumi to apni'),
  (2, 'sentences, apni to tumi', 'sentences, test, apni to tumi'),
  (3, 'sentences, tui to apni', 'sentences, test, tui to apni'),
  (4, 'sentences, tumi to tui', 'sentences, test, tumi to tui'),
  (5, 'sentences, apni to tui', 'sentences, test, apni to tui'),
  (6, 'sentences, tui to tumi', 'sentences, test, tui to tumi'),
  (7, 'all sentences', 'sentences, test, all'),
  (8, 'orders without a pronoun, of two books', 'orders, test, all')
)
SELECT title AS kept,
  digits(max(value) FILTER (WHERE measure = 'sentences'), '.0f') AS number,
  digits(max(value) FILTER (WHERE measure = 'needed changes'), '.0f') AS "needed changes",
  digits(max(value) FILTER (WHERE measure = 'made'), '.3f') AS made,
  digits(max(value) FILTER (WHERE measure = 'sentences changed in meaning'), '.4f')
    AS "changed in meaning",
  digits(max(value) FILTER (WHERE measure = 'sentences changed by half'), '.4f')
    AS "changed by half"
FROM line JOIN bangla_rewriter USING (subject) GROUP BY nr ORDER BY nr;

-- table: bangla_prose
WITH text(nr, corpus, title, read_before) AS (VALUES
  (1, 'tune', 'sentences of a dictionary, seen', 1),
  (2, 'dev_prose', 'a translated book, half of its chapters, seen', 1),
  (3, 'test_sentences', 'the other sentences of the dictionary', 0),
  (4, 'kept_prose', 'the other chapters of the book', 0),
  (5, 'kept_messages', 'messages of a wiki', 0),
  (6, 'kept_pairs', 'sentences of volunteers', 0),
  (7, 'kept_hoque', 'the book by another translator', 0),
  (8, 'kept_unmarked', 'the same without its quotation marks', 0),
  (9, 'dev_tutorials', 'tutorials on Python and SQL, seen', 1),
  (10, 'kept_tutorials', 'eleven other tutorials', 0),
  (11, 'kept_patterns', 'a text on design patterns', 0)
), line AS (
  SELECT nr, title, read_before, max(value) FILTER (WHERE measure = 'words') + 0 AS words,
    max(value) FILTER (WHERE measure = 'flags') AS flags,
    max(value) FILTER (WHERE measure = 'coverage') AS coverage,
    (SELECT count(*) FROM bangla_prose_flags AS flag
      WHERE flag.corpus = text.corpus AND verdict = 'false') AS wrong
  FROM text JOIN bangla_prose ON subject = corpus GROUP BY nr
)
SELECT title AS text, digits(words, ',.0f') AS words,
  digits(flags, '.2f') AS "flags per 1,000 words",
  iif(read_before, NULL, digits(1000.0 * wrong / words, '.2f')) AS "of them false",
  digits(coverage, '.3f') AS "finite verbs known"
FROM line ORDER BY nr;

-- table: bangla_prose_recall
WITH kind(nr, kind, title) AS (VALUES
  (1, 'verb, second', 'verb after a second-person pronoun'),
  (2, 'pronoun', 'second-person pronoun'),
  (3, 'verb, third', 'verb after a third-person pronoun')
), flip AS (
  SELECT nr, title, replace(replace(subject, 'flips, ', ''), ', ' || kind, '') AS corpus,
    measure LIKE 'seed %' AS share, value
  FROM kind JOIN bangla_prose ON subject LIKE 'flips, %, ' || kind
)
SELECT title AS "flipped word",
  spread(value, '.2f') FILTER (WHERE share AND corpus = 'dev_prose') AS "the seen chapters",
  spread(value, '.2f') FILTER (WHERE share AND corpus = 'kept_prose') AS "the other chapters",
  spread(value, '.2f') FILTER (WHERE share AND corpus = 'kept_pairs') AS "sentences of volunteers",
  spread(value, '.2f') FILTER (WHERE share AND corpus = 'kept_hoque') AS "the other translator",
  digits(sum(value) FILTER (WHERE NOT share AND corpus = 'kept_prose'), '.0f') AS "flips in each"
FROM flip GROUP BY nr;

-- table: bangla_prose_read
SELECT reason AS "what the reader saw", verdict, sum(corpus = 'test_sentences') AS dictionary,
  sum(corpus = 'kept_prose') AS book, sum(corpus = 'kept_pairs') AS volunteers,
  sum(corpus = 'kept_hoque') AS "the other translator",
  sum(corpus = 'kept_tutorials') AS tutorials
FROM bangla_prose_flags GROUP BY verdict, reason
ORDER BY verdict <> 'right', count(*) DESC, reason;

-- table: bangla_coverage
WITH text(nr, subject, title) AS (VALUES
  (1, 'dev_tutorials', 'tutorials'), (2, 'tune', 'a dictionary'), (3, 'dev_prose', 'a book')
)
SELECT title AS "share of all verbs",
  digits(max(value) FILTER (WHERE measure = 'judged'), '.2f') AS judged,
  digits(max(value) FILTER (WHERE measure = 'addressee'), '.2f') AS "by the level of the text",
  digits(max(value) FILTER (WHERE measure = 'carried'), '.2f') AS "carried from the sentence before",
  digits(max(value) FILTER (WHERE measure = 'tagged'), '.2f') AS "by a classifier",
  digits(max(value) FILTER (WHERE measure = 'tagger, new flags'), '.0f') AS "its new flags",
  digits(max(value) FILTER (WHERE measure = 'no level'), '.2f') AS "show no level",
  digits(max(value) FILTER (WHERE measure = 'judged')
    / (1 - max(value) FILTER (WHERE measure = 'no level')), '.2f') AS "judged, of those that show one"
FROM text JOIN bangla_coverage USING (subject) GROUP BY nr ORDER BY nr;

-- table: bangla_trl
SELECT family, mode AS across, difference AS cell FROM bangla_trl;

-- table: bangla_score
SELECT answer AS answers,
  digits(max(value) FILTER (WHERE half = 'test' AND measure = 'register'), '.2f')
    AS "register, test",
  digits(max(value) FILTER (WHERE half = 'inferred' AND measure = 'register'), '.2f')
    AS "register, inferred",
  digits(max(value) FILTER (WHERE half = 'dev' AND measure = 'good'), '.2f') AS "all four, dev",
  digits(max(value) FILTER (WHERE half = 'test' AND measure = 'good'), '.2f') AS "all four, test",
  digits(max(value) FILTER (WHERE half = 'inferred' AND measure = 'good'), '.2f')
    AS "all four, inferred"
FROM bangla_score GROUP BY answer HAVING sum(measure = 'good')
ORDER BY min(place) FILTER (WHERE measure = 'good');

-- table: bangla_shipped
WITH answer AS (
  SELECT method, place, measure, value, suite = 'handwritten_inferred' AS inferred
  FROM bangla_greedy
  WHERE recipe = 'shipped' AND suite IN ('handwritten', 'handwritten_inferred')
)
SELECT replace(method, '_', ' ') AS method,
  digits(max(value) FILTER (WHERE measure = 'register_match' AND NOT inferred), '.2f') AS register,
  digits(max(value) FILTER (WHERE measure = 'relevant' AND NOT inferred), '.2f') AS relevant,
  digits(max(value) FILTER (WHERE measure = 'fluent' AND NOT inferred), '.2f') AS fluent,
  digits(max(value) FILTER (WHERE measure = 'fresh' AND NOT inferred), '.2f') AS fresh,
  digits(max(value) FILTER (WHERE measure = 'good' AND NOT inferred), '.2f') AS "all four",
  digits(max(value) FILTER (WHERE measure = 'register_match' AND inferred), '.2f')
    AS "register, inferred",
  digits(max(value) FILTER (WHERE measure = 'good' AND inferred), '.2f') AS "all four, inferred"
FROM answer GROUP BY method ORDER BY min(place);

-- table: bangla_reward
WITH arm(nr, reward, title) AS (VALUES
  (1, 'shipped run', 'none (the shipped run)'),
  (2, 'register', 'register alone'),
  (3, 'good', 'all four questions')
)
SELECT title AS reward,
  spread(value, '.2f') FILTER (WHERE half = 'test' AND measure = 'register') AS "register, test",
  spread(value, '.2f') FILTER (WHERE half = 'inferred' AND measure = 'register')
    AS "register, inferred",
  spread(value, '.2f') FILTER (WHERE half = 'test' AND measure = 'relevant') AS "relevant, test",
  spread(value, '.2f') FILTER (WHERE half = 'test' AND measure = 'fluent') AS "fluent, test",
  spread(value, '.2f') FILTER (WHERE half = 'dev' AND measure = 'good') AS "all four, dev",
  spread(value, '.2f') FILTER (WHERE half = 'test' AND measure = 'good') AS "all four, test",
  spread(value, '.2f') FILTER (WHERE half = 'inferred' AND measure = 'good')
    AS "all four, inferred"
FROM arm JOIN bangla_reward USING (reward) GROUP BY nr;

-- table: bangla_smol
WITH answer AS (
  SELECT place, model, half, measure, value FROM bangla_smol
  UNION ALL
  SELECT 1000 + place, answer, half, measure, value FROM bangla_score
  WHERE answer = 'keyword rule'
)
SELECT model,
  digits(max(value) FILTER (WHERE half = 'test' AND measure = 'nats per word'), '.2f')
    AS "nats a word",
  digits(max(value) FILTER (WHERE half = 'test' AND measure = 'register'), '.2f') AS register,
  digits(max(value) FILTER (WHERE half = 'test' AND measure = 'relevant'), '.2f') AS relevant,
  digits(max(value) FILTER (WHERE half = 'test' AND measure = 'fluent'), '.2f') AS fluent,
  digits(max(value) FILTER (WHERE half = 'test' AND measure = 'fresh'), '.2f') AS fresh,
  digits(max(value) FILTER (WHERE half = 'test' AND measure = 'good'), '.2f') AS "all four",
  digits(max(value) FILTER (WHERE half = 'generated' AND measure = 'nats per word'), '.2f')
    AS "nats a word, generated",
  digits(max(value) FILTER (WHERE half = 'generated' AND measure = 'register'), '.2f')
    AS "register, generated",
  digits(max(value) FILTER (WHERE half = 'inferred' AND measure = 'good'), '.2f')
    AS "all four, inferred"
FROM answer GROUP BY model HAVING sum(half = 'test')
ORDER BY min(place) FILTER (WHERE half = 'test');

-- table: biomed_text
SELECT what AS [names], files, missed, interval(1.0 * missed / files, low, high) AS [share that is missed]
FROM biomed_text;

-- table: biomed_text_real
SELECT coalesce(modality, 'not stated') AS modality, count(*) AS files,
  sum(line LIKE '%regions blanked%') AS [with regions that were blanked],
  sum(line LIKE '%sees none in%') AS [without],
  sum(line LIKE '%no text detector looked%') AS [that no decoder takes],
  digits(median(seconds), '.2f') AS [CPU seconds, median]
FROM biomed_text_files WHERE part = 'real' AND line NOT LIKE 'not copied%' GROUP BY 1;

-- table: biomed_leakage
WITH line(nr, title, split, value) AS (
  SELECT 1, 'subjects in training and test', split, shared_subjects FROM biomed_leakage
  UNION ALL SELECT 2, 'share of test images of these subjects', split, share_of_test
    FROM biomed_leakage
  UNION ALL SELECT 3, 'linear probe, 5-fold accuracy', split, digits(probe_accuracy, '.3f')
    FROM biomed_leakage
)
SELECT title AS "", max(value) FILTER (WHERE split = 'by_image') AS "split by image",
  max(value) FILTER (WHERE split = 'by_subject') AS "split by subject"
FROM line GROUP BY nr;

-- table: biomed_methods
-- The trained methods come from the older comparison, whose test has as many images of each class.
WITH line AS (
  SELECT place, data, title, prompt, draws, k2, k8, k16, gap, auroc, sensitivity, specificity, ece
  FROM biomed_set WHERE towers = 'package'
  UNION ALL
  SELECT 1000 + nr, 'mni', title, wording, count(*) FILTER (WHERE shots = '8'),
    digits(mean(accuracy) FILTER (WHERE shots = '2'), '.3f'),
    digits(mean(accuracy) FILTER (WHERE shots = '8'), '.3f'),
    digits(mean(accuracy) FILTER (WHERE shots = '16'), '.3f'),
    NULL, NULL, NULL, NULL, digits(mean(ece) FILTER (WHERE shots = '8'), '.3f')
  FROM biomed_shots WHERE method IN ('coop', 'kgcoop', 'lora', 'dual_anchor_loss', 'dual_anchor')
  GROUP BY method
)
SELECT data AS [set], title AS method, prompt AS "reads prompt", draws, k2 AS "K = 2",
  k8 AS "K = 8", k16 AS "K = 16", gap AS "less regression", auroc AS AUROC, sensitivity,
  specificity, ece AS ECE
FROM line ORDER BY place;

-- table: biomed_dino
SELECT data AS [set], title AS method, prompt AS "reads prompt", draws, k2 AS "K = 2",
  k8 AS "K = 8", k16 AS "K = 16", gap AS "less regression", auroc AS AUROC, sensitivity,
  specificity, ece AS ECE
FROM biomed_set WHERE towers = 'dinov2' ORDER BY place;

-- table: biomed_maple
SELECT data AS [set], title AS method, prompt AS "reads prompt", draws, k8 AS "K = 8",
  gap AS "less regression", auroc AS AUROC, sensitivity, specificity, ece AS ECE
FROM biomed_set WHERE towers = 'dinov2_126' ORDER BY place;

-- table: biomed_volumes
SELECT method, volumes AS across, bounds(auroc, low, high, '.3f') AS cell FROM biomed_volumes;

-- table: biomed_radius
SELECT radius AS "radius, pixels", bounds(auroc, low, high, '.3f') AS "AUROC with slice labels"
FROM biomed_volumes_radius;

-- table: biomed_few_shot
WITH count AS (SELECT DISTINCT shots AS k FROM biomed WHERE part = 'few-shot' AND shots <> '0')
SELECT title AS method, wording AS "reads prompt", digits(max(trainable + 0), ',.0f') AS parameters,
  'K = ' || k AS across, spread(accuracy, '.3f') AS cell
FROM biomed_shots JOIN count ON shots = k OR method = 'zero_shot'
GROUP BY nr, k ORDER BY nr, k + 0;

-- table: biomed_wordings
WITH count(k) AS (VALUES ('2'), ('8')), line AS (
  SELECT k, nr, title, wording, spread(accuracy, '.3f') AS training,
    spread(wording_mean, '.3f') AS middle, spread(wording_worst, '.3f') AS worst,
    spread(wording_spread, '.3f') AS distance, spread(ece, '.3f') AS ece
  FROM count JOIN biomed_shots ON shots IN ('0', k) GROUP BY k, nr
  UNION ALL  -- Equal seeds have equal shots.
  SELECT k, CASE a.method WHEN 'single_template_kept' THEN 200 ELSE 100 + a.nr END,
    '*' || a.title || ' minus single template*', NULL,
    spread(a.accuracy - b.accuracy, '+.3f'), spread(a.wording_mean - b.wording_mean, '+.3f'),
    spread(a.wording_worst - b.wording_worst, '+.3f'),
    spread(a.wording_spread - b.wording_spread, '+.3f'), spread(a.ece - b.ece, '+.3f')
  FROM count JOIN biomed_shots AS a ON a.shots = k
    JOIN biomed_shots AS b ON b.shots = k AND b.seed = a.seed AND b.method = 'single_template'
  WHERE a.method IN ('dual_anchor_loss', 'dual_anchor', 'dual_anchor_lora', 'single_template_kept')
  GROUP BY k, a.nr
)
SELECT k AS K, title AS method, wording AS "reads prompt", training AS "training wording",
  middle AS "six others: mean", worst, distance AS spread, ece AS ECE
FROM line ORDER BY k, nr;

-- table: biomed_summary
SELECT title AS method, wording AS "reads prompt", spread(accuracy, '.3f') AS "training wording",
  spread(wording_mean, '.3f') AS "six others: mean",
  spread(wording_worst, '.3f') AS "six others: worst", spread(ece, '.3f') AS "calibration error"
FROM biomed_shots
WHERE shots IN ('0', '8') AND method IN ('zero_shot', 'linear_probe', 'lora', 'single_template',
  'single_template_kept', 'dual_anchor_loss', 'dual_anchor', 'dual_anchor_lora')
GROUP BY nr;

-- table: biomed_novel
SELECT title AS method, spread(accuracy, '.3f') AS base, spread(novel, '.3f') AS novel,
  spread(harmonic, '.3f') AS "harmonic mean"
FROM biomed JOIN biomed_way USING (method) WHERE part = 'base-to-novel' GROUP BY nr;

-- table: biomed_tuning
SELECT digits(lr, 'g') AS "learning rate", steps,
  digits(mean(both) FILTER (WHERE varied = 'True'), '.3f') AS "all methods",
  digits(mean(both) FILTER (WHERE varied = 'True' AND method = 'dual_anchor'), '.3f')
    AS "dual anchors with our keeping, varied sentences",
  digits(mean(both) FILTER (WHERE varied = 'False' AND method = 'dual_anchor'), '.3f')
    AS "dual anchors with our keeping, one sentence"
FROM biomed_search WHERE shots = '4' GROUP BY lr, steps ORDER BY min(place);

-- table: biomed_anchors
SELECT digits(anchors, 'g') AS anchors, digits(mean(both), '.3f') AS score,
  digits(mean(accuracy) FILTER (WHERE method = 'dual_anchor'), '.3f')
    AS "dual anchors with our keeping: accuracy",
  digits(mean(wording_mean) FILTER (WHERE method = 'dual_anchor'), '.3f')
    AS "dual anchors with our keeping: other wordings",
  digits(mean(wording_worst) FILTER (WHERE method = 'dual_anchor'), '.3f')
    AS "dual anchors with our keeping: worst",
  digits(mean(accuracy) FILTER (WHERE method = 'dual_anchor_lora'), '.3f')
    AS "dual anchors with our keeping, and LoRA: accuracy",
  digits(mean(wording_mean) FILTER (WHERE method = 'dual_anchor_lora'), '.3f')
    AS "dual anchors with our keeping, and LoRA: other wordings",
  digits(mean(wording_worst) FILTER (WHERE method = 'dual_anchor_lora'), '.3f')
    AS "dual anchors with our keeping, and LoRA: worst"
FROM biomed_search WHERE shots = '2' AND keep + 0 = 0
GROUP BY biomed_search.anchors ORDER BY min(place);

-- table: biomed_kept
SELECT digits(keep, 'g') AS "kept anchors", digits(mean(both), '.3f') AS score,
  digits(mean(accuracy) FILTER (WHERE method = 'dual_anchor'), '.3f')
    AS "dual anchors with our keeping: accuracy",
  digits(mean(wording_mean) FILTER (WHERE method = 'dual_anchor'), '.3f')
    AS "dual anchors with our keeping: other wordings",
  digits(mean(wording_worst) FILTER (WHERE method = 'dual_anchor'), '.3f')
    AS "dual anchors with our keeping: worst",
  digits(mean(accuracy) FILTER (WHERE method = 'dual_anchor_lora'), '.3f')
    AS "dual anchors with our keeping, and LoRA: accuracy",
  digits(mean(wording_mean) FILTER (WHERE method = 'dual_anchor_lora'), '.3f')
    AS "dual anchors with our keeping, and LoRA: other wordings",
  digits(mean(wording_worst) FILTER (WHERE method = 'dual_anchor_lora'), '.3f')
    AS "dual anchors with our keeping, and LoRA: worst"
FROM biomed_search
WHERE shots = '2' AND anchors + 0 = (SELECT min(anchors + 0) FROM biomed_tuning WHERE shots = '2')
GROUP BY keep ORDER BY min(place);

-- table: crash_summary
WITH chosen(nr, stage, method) AS (VALUES
  (1, 'pretraining', 'Mask-Morph U-Net, long'),
  (2, 'pretraining', 'Mask-Morph U-Net'),
  (3, 'pretraining', 'MeshGraphNet'),
  (4, 'pretraining', 'Transolver'),
  (5, 'pretraining', 'POD + GP'),
  (6, 'pretraining', 'mean history'),
  (7, 'transfer', 'frozen-edge'),
  (8, 'transfer', 'lora'),
  (9, 'transfer', 'full'),
  (10, 'transfer', 'scratch'),
  (11, 'transfer', 'POD + GP'),
  (12, 'transfer', 'mean history')
), line(nr, test, method, steps, med, intrusion) AS (
  SELECT min(place) - 1000, 'new family', method, NULL, NULL, spread(intrusion_error, '.1f')
  FROM crash_fields
  WHERE stage = 'baseline' AND shots = '16' AND part = 'benchmark' AND method <> 'network'
  GROUP BY method
  UNION ALL
  SELECT nr, iif(stage = 'pretraining', 'new designs of known families', 'new family'),
    method || iif(nr = 1, ' (shipped)', ''), steps, spread(med_share, '.1f'),
    spread(intrusion_error, '.1f')
  FROM chosen JOIN crash_suite USING (stage, method)
  WHERE part = 'test' AND coalesce(shots, '16') = '16' GROUP BY nr
)
SELECT test, method, steps, med AS "MED, %", intrusion AS "intrusion, %" FROM line ORDER BY nr;

-- table: crash_pretraining
SELECT method, max(steps) FILTER (WHERE part = 'test') AS steps,
  spread(med_share, '.1f') FILTER (WHERE part = 'train') AS "train: MED",
  spread(intrusion_error, '.1f') FILTER (WHERE part = 'train') AS "train: intrusion",
  spread(med_share, '.1f') FILTER (WHERE part = 'test') AS "test: MED",
  spread(intrusion_error, '.1f') FILTER (WHERE part = 'test') AS "test: intrusion",
  spread(100 * rel_l2, '.2f') FILTER (WHERE part = 'test') AS "test: positions",
  spread(100 * rel_l2_model, '.2f') FILTER (WHERE part = 'test') AS "test: positions, model",
  spread(med_share, '.1f') FILTER (WHERE part = 'beyond') AS "longer: MED",
  spread(intrusion_error, '.1f') FILTER (WHERE part = 'beyond') AS "longer: intrusion"
FROM crash_suite WHERE stage = 'pretraining' GROUP BY method ORDER BY min(place);

-- table: crash_families
SELECT method, replace(part, 'test, ', '') AS family, spread(med_share, '.1f') AS MED,
  spread(intrusion_error, '.1f') AS intrusion, spread(100 * rel_l2, '.2f') AS positions,
  spread(100 * rel_l2_model, '.2f') AS "positions, model"
FROM crash_suite WHERE part LIKE 'test, %' GROUP BY method, part ORDER BY min(place);

-- table: crash_transfer
WITH line AS (
  SELECT method, shots, min(place) AS place,
    max(digits(trained, ',.0f') || ' (' || digits(share, '.1%') || ')') AS trained,
    spread(med_share, '.1f') AS med, spread(intrusion_error, '.1f') AS intrusion
  FROM crash_suite WHERE stage = 'transfer' GROUP BY method, shots
)
SELECT method, trained AS "trained weights", across, cell FROM (
  SELECT method, trained, place, shots || ' simulations: MED' AS across, med AS cell FROM line
  UNION ALL
  SELECT method, trained, place, shots || ' simulations: intrusion', intrusion FROM line
) ORDER BY place, across LIKE '%intrusion';

-- table: crash_baselines
SELECT method,
  spread(intrusion_error, '.1f') FILTER (WHERE shots = '16' AND part = 'benchmark')
    AS "16 simulations, 30 benchmark",
  spread(intrusion_error, '.1f') FILTER (WHERE shots = '16' AND part = 'fresh')
    AS "16 simulations, 30 fresh",
  spread(intrusion_error, '.1f') FILTER (WHERE shots = '8' AND part = 'benchmark')
    AS "8 simulations, 30 benchmark",
  spread(intrusion_error, '.1f') FILTER (WHERE shots = '8' AND part = 'fresh')
    AS "8 simulations, 30 fresh"
FROM crash_fields WHERE stage = 'baseline' GROUP BY method
ORDER BY method = 'network', min(place);

-- table: crash_strain
WITH line AS (
  SELECT *, iif(stage = 'family', part || ', 6 designs', 'bumpers, ' || part) AS designs,
    iif(stage = 'baseline', 'edge loss', method) AS training,
    iif(stiffness = '0.0', 'network alone', 'projected') AS prediction,
    CASE stage WHEN 'strain' THEN 1 WHEN 'baseline' THEN 2 ELSE 3 END AS nr
  FROM crash_fields
  WHERE stage IN ('strain', 'family')
    OR (stage = 'baseline' AND method = 'network' AND shots = '16')
)
SELECT designs, training, prediction, count(*) AS seeds,
  spread(edge_strain_predicted / edge_strain_true, '.2f') AS "mean strain",
  spread(edge_p99_predicted / edge_p99_true, '.2f') AS "99th percentile",
  spread(ripple_predicted / ripple_true, '.2f') AS ripple,
  spread(med_share, '.1f') AS "MED, %", spread(intrusion_error, '.1f') AS "intrusion, %"
FROM line GROUP BY designs, training, prediction ORDER BY min(1000 * nr + place);

-- table: crash_plastic
SELECT method AS training, spread(plastic_error, '.0f') AS "plastic strain, %",
  spread(plastic_correlation, '.2f') AS correlation, spread(energy_error, '.0f') AS "energy, %",
  spread(acceleration_median, '.0f') AS "acceleration, median, %",
  spread(100 * acceleration_close, '.0f') AS "probes within 25 %, %"
FROM crash_fields WHERE stage = 'strain' AND stiffness + 0 > 0
GROUP BY method ORDER BY min(place);

-- table: crash_coverage
SELECT method, group_concat(digits(covered, '.2f'), ', ') AS "intrusion covered, by draw",
  spread(width, '.2f') AS "width / intrusion",
  group_concat(digits(near, '.2f'), ', ') AS "nodes covered, by draw",
  spread(radius, '.2f') AS "radius / intrusion"
FROM (SELECT * FROM crash_fields WHERE stage = 'coverage' ORDER BY place)
GROUP BY method ORDER BY min(place);

-- table: crash_solver
SELECT [case], quantity, element AS "element, mm", digits(solver, '.3g') AS solver,
  digits(theory, '.3g') AS theory, digits(measured, '.3g') AS "fit of tests",
  digits(solver / theory, '.2f') AS "solver / theory",
  digits(hourglass, '.1%') AS "hourglass energy"
FROM crash_solver WHERE quantity IS NOT NULL AND solver IS NOT NULL;

-- table: crash_hourglass
SELECT [case] AS family, element AS "element, mm", designs, digits(mean, '.1%') AS mean,
  digits(hourglass, '.1%') AS largest, left_out AS "left out"
FROM crash_solver WHERE designs IS NOT NULL;

-- table: crash_assemblies
SELECT variant AS "the network is given", test, spread(hat_med, '.1f') AS "hat: MED, %",
  spread(plate_med, '.1f') AS "plate: MED, %",
  spread(hat_intrusion_error, '.1f') AS "hat: intrusion, %",
  spread(plate_intrusion_error, '.1f') AS "plate: intrusion, %"
FROM crash_assemblies GROUP BY variant, test
ORDER BY min(min(place)) OVER (PARTITION BY variant), min(place);

-- table: crash_known
SELECT method, family AS across, spread(intrusion_error, '.1f') AS cell
FROM crash_known GROUP BY family, method ORDER BY min(place);

-- table: crash_novelty
SELECT families AS "fitted on", designs,
  digits(mean(100 * false_alarms), '.1f') AS "false alarms, mean, %",
  digits(max(100 * false_alarms), '.0f') AS "worst draw, %",
  digits(mean(100 * detected), '.0f') AS "other families flagged, mean, %",
  digits(min(100 * detected), '.0f') AS "worst draw, %"
FROM crash_novelty GROUP BY families, designs ORDER BY min(place);

-- table: crash_packages
WITH file AS (
  SELECT *, CASE WHEN read = 'yes' THEN 'read' WHEN reason LIKE '%no shell%' THEN 'no shells'
    ELSE 'refused' END AS result
  FROM crash_files
)
SELECT package, count(*) AS files, sum(result = 'read') AS read,
  sum(result = 'no shells') AS "no shells", sum(result = 'refused') AS refused, licence
FROM (SELECT * FROM file UNION ALL
  SELECT 1000 AS place, '**all**' AS package, NULL AS licence, file, bytes, read, states, nodes,
    shells, [left out], reason, result FROM file)
GROUP BY package ORDER BY min(place);

-- table: crash_files
SELECT package, '`' || tail(file) || '`' AS file, nodes, shells,
  substr(replace(replace(iif(read = 'yes', 'read' || coalesce('; ' || [left out], ''), reason),
    '|', '/'), '<', '&lt;'), 1, 160) AS result
FROM crash_files;

-- table: crash_size
SELECT what AS [case], nodes, states, runs, coalesce([peak GB], note) AS "peak, GB" FROM crash_size;

-- table: crash_predict
SELECT stage, nodes, time, median_s AS "median, s", least_s AS "minimum, s",
  times_prediction AS "relative to a prediction"
FROM crash_predict;

-- table: federated
WITH line AS (
  SELECT *, CASE regime WHEN 'federated' THEN 'federated, `' || rule || '`'
      WHEN 'pooled_equal' THEN 'pooled, steps of one site' ELSE regime END AS title,
    instr('alone federated pooled pooled_equal', regime) AS nr
  FROM federated WHERE adapter = 'lora'
)
SELECT field, measure, title AS regime, count(*) AS seeds, spread(score, '.3f') AS "mean score",
  spread([own data], '.3f') AS "own data", spread([worst site], '.3f') AS "worst site",
  digits(mean([MB up]), '.1f') AS "MB up", digits(mean([CPU s]), '.1f') AS "CPU s",
  spread([gap closed], '.2f') FILTER (WHERE rule = 'exact' AND regime = 'federated')
    AS "share of the gap closed"
FROM line GROUP BY field, title ORDER BY field, nr, title;

-- table: federated_rate
SELECT field, adapter, rate, score AS "loss of the pooled model"
FROM federated_rate ORDER BY field, adapter, rate + 0;

-- table: federated_adapters
SELECT field, adapter, regime, count(*) AS seeds, spread(score, '.3f') AS "mean score",
  spread([worst site], '.3f') AS "worst site", digits(mean([MB up]), '.2f') AS "MB up",
  digits(mean([MB down]), '.2f') AS "MB down", digits(mean([CPU s]), '.0f') AS "CPU s",
  digits(mean([peak MiB]), '.0f') AS "peak MiB"
FROM federated WHERE rule = 'exact' AND regime <> 'pooled_equal'
GROUP BY field, adapter, regime ORDER BY field, adapter, regime;

-- table: federated_personal
SELECT field, regime, count(*) AS seeds, spread(own, '.3f') AS "own data",
  spread(others, '.3f') AS "data of the others", group_concat(chosen, ' / ') AS "what sites chose"
FROM federated_personal GROUP BY field, regime
ORDER BY field, instr('untrained alone federated shared chosen pooled', regime), regime;

-- table: federated_personal_runs
WITH run AS (
  SELECT one.regime, one.own - alone.own AS worse,
    (alone.others - one.others) / (alone.others - pooled.others) AS gain,
    pooled.others + 0 < alone.others + 0 AS gains
  FROM federated_personal AS one
  JOIN federated_personal AS alone USING (field, seed)
  JOIN federated_personal AS pooled USING (field, seed)
  WHERE alone.regime = 'alone' AND pooled.regime = 'pooled'
    AND one.regime IN ('federated', 'chosen', 'shared')
)
SELECT regime, count(*) AS runs, sum(worse <= 0) AS "no worse than alone on own data",
  sum(gain >= 0.5 AND gains) || ' of ' || sum(gains)
    AS "at least half of the pooled gain on the data of the others"
FROM run GROUP BY regime;

-- table: federated_checks
SELECT CASE size WHEN 'long' THEN '5 x 10' ELSE '3 x 5' END AS "rounds x steps",
  fault AS "fault of 3 of 10 sites", way, count(*) AS runs,
  spread(auc, '.2f') FILTER (WHERE fault <> 'none') AS AUC,
  digits(mean([flagged bad]), '.1f') AS "bad sites called apart",
  digits(mean([flagged good]), '.1f') AS "good sites called apart",
  iif(fault = 'none', sum([flagged good] <> '0') || ' of ' || count(*), NULL)
    AS "clean runs with a false flag"
FROM federated_checks GROUP BY size, fault, way ORDER BY size, fault, way;

-- table: federated_privacy
WITH way(nr, way) AS (VALUES
  (1, 'start'),
  (2, 'plain sum'),
  (3, 'CKKS'),
  (4, 'CKKS pruned'),
  (5, 'alone, untrained'),
  (6, 'alone, 24 gathers'),
  (7, 'alone, 24 gathers, epsilon 8'),
  (8, 'alone, 24 gathers, epsilon 2'),
  (9, 'alone, 240 gathers'),
  (10, 'alone, 240 gathers, epsilon 8'),
  (11, 'alone, 240 gathers, epsilon 2')
)
SELECT way, count(*) AS seeds, digits(max([MB up] + 0), '.1f') AS "MB up of a site",
  digits(mean([CPU s]), '.1f') AS "CPU s", digits(max(error + 0), '.1e') AS "largest error",
  digits(max(epsilon + 0), '.2f') AS "epsilon spent", spread(score, '.3f') AS "test loss"
FROM way JOIN federated_privacy USING (way) GROUP BY nr;

-- table: continual_generation
WITH line AS (
  SELECT arm, min(place) AS place,
    mean(flow / base_flow) FILTER (WHERE old) AS flow_old,
    mean(flow / first_flow) FILTER (WHERE old) AS over_first,
    mean(flow / base_flow) FILTER (WHERE equation = 'kolmogorov_flow') AS flow_last,
    mean(decoder / base_decoder) FILTER (WHERE old) AS decoder_old,
    mean(decoder / base_decoder) FILTER (WHERE equation = 'kolmogorov_flow') AS decoder_last,
    mean(flow / base_flow) FILTER (WHERE equation = 'navier_stokes') AS flow_base
  FROM generation_end WHERE arm <> 'two real sets' GROUP BY arm, seed
)
SELECT arm, spread(flow_old, '.2f') AS "velocity, old",
  spread(over_first, '.2f') AS "over that after learning",
  spread(flow_last, '.2f') AS "velocity, last", spread(decoder_old, '.2f') AS "decoder, old",
  spread(decoder_last, '.2f') AS "decoder, last",
  spread(flow_base, '.2f') AS "velocity, base equation"
FROM line GROUP BY arm ORDER BY min(place);

-- table: continual_generated
WITH line AS (
  SELECT arm, min(place) AS place, mean(spectrum) FILTER (WHERE old) AS spectrum_old,
    mean(spectrum) FILTER (WHERE equation = 'kolmogorov_flow') AS spectrum_last,
    mean([mean]) FILTER (WHERE old) AS mean_old,
    mean([mean]) FILTER (WHERE equation = 'kolmogorov_flow') AS mean_last,
    mean(divergence) FILTER (WHERE equation = 'kolmogorov_flow') AS divergence_last
  FROM generation_end GROUP BY arm, seed
)
SELECT arm, spread(spectrum_old, '.2f') AS "spectrum, old",
  spread(spectrum_last, '.2f') AS "spectrum, last", spread(mean_old, '.2f') AS "mean, old",
  spread(mean_last, '.2f') AS "mean, last", spread(divergence_last, '.2f') AS "divergence, last"
FROM line GROUP BY arm ORDER BY min(place);

-- table: lora_layer
SELECT dtype, layer, form, digits(median_us, '.0f') AS us,
  interval(over_peft, peft_low, peft_high) AS "over peft",
  interval(over_hand, hand_low, hand_high) AS "over addmm by hand",
  error_over_peft AS "error over peft's"
FROM lora_layer WHERE form <> 'peft' ORDER BY place;

-- table: lora_step
SELECT model, dtype, form, digits(median_us / 1000, '.0f') AS "step, ms",
  interval(over_peft, peft_low, peft_high) AS "over peft",
  interval(over_hand, hand_low, hand_high) AS "over addmm by hand",
  mib AS "MiB kept", over_frozen AS "over frozen", error_over_peft AS "error over peft's"
FROM lora_step ORDER BY place;

-- table: lora_trainer
SELECT device, form, operations, digits(median_ms, '.0f') AS "step, ms",
  interval(times_ours, ci_low, ci_high) AS "times the first"
FROM lora_trainer;

-- table: lora_capture
SELECT recipe, task, operations, obstacle AS "what a graph cannot repeat" FROM lora_capture;

-- table: prefix_cache
SELECT rival AS "ViT-S/16, last 4 blocks, batch 8", median_s AS "step, s",
  times_faster || ' (' || ci_low || ' to ' || ci_high || ')' AS "times faster",
  bytes_a_sample AS "bytes a sample", gradient_error AS "gradient's error"
FROM prefix_cache;

-- table: language
SELECT method, nullif(count(seed), 0) AS seeds, spread(nats, '.3f') AS "nats a token",
  spread(exact, '.3f') AS exact, spread(module, '.3f') AS "module right",
  spread([general nats] - (SELECT [general nats] FROM language_methods LIMIT 1), '+.4f')
    AS "forgetting, nats",
  digits(max(trained), ',.0f') AS trained, max(rate) AS rate,
  spread([s a step], '.2f') AS "s a step", spread(MiB, '.1f') AS "MiB kept"
FROM language_methods GROUP BY method ORDER BY min(place);

-- table: language_depth
SELECT method, nullif(count(seed), 0) AS seeds, spread(nats, '.3f') AS "nats a token",
  spread(exact, '.3f') AS exact, spread(module, '.3f') AS "module right",
  spread([general nats] - (SELECT [general nats] FROM language_depth LIMIT 1), '+.4f')
    AS "forgetting, nats",
  digits(max(trained), ',.0f') AS trained, max(rate) AS rate,
  spread([s a step], '.2f') AS "s a step", spread(MiB, '.1f') AS "MiB kept"
FROM language_depth GROUP BY method ORDER BY min(place);

-- table: language_depth_rates
SELECT method, rate, digits(nats, '.3f') AS "validation, nats a token" FROM language_depth_rates;

-- table: language_experts
SELECT method, nullif(count(seed), 0) AS seeds, spread(nats, '.3f') AS "nats a byte",
  spread([general nats] - (SELECT [general nats] FROM language_experts LIMIT 1), '+.4f')
    AS "forgetting, nats",
  digits(max(trained), ',.0f') AS trained, max(rate) AS rate,
  spread([s a step], '.2f') AS "s a step", spread(MiB, '.1f') AS "MiB kept"
FROM language_experts GROUP BY method ORDER BY min(place);

-- table: language_sizes
SELECT arm, sequences, nullif(count(seed), 0) AS seeds, spread(nats, '.3f') AS "nats a token",
  spread(forgetting, '+.3f') AS "forgetting, nats", digits(max(trained), ',.0f') AS trained,
  max(rate) AS "rate or share", spread([s a step], '.2f') AS "s a step"
FROM language_sizes GROUP BY arm, sequences ORDER BY min(place);

-- table: language_diffusion
SELECT base, model, training, steps, nullif(count(seed), 0) AS seeds,
  digits(max(parameters), ',.0f') AS parameters, spread(nats, '.3f') AS "nats a byte",
  spread(words, '.3f') AS "known words", spread([s a step], '.2f') AS "s a step"
FROM language_diffusion GROUP BY base, model, training, steps ORDER BY min(place);

-- table: language_planning
SELECT method, nullif(count(seed), 0) AS seeds, digits(max(trained), ',.0f') AS trained,
  spread(nats, '.3f') AS "nats a token", spread(command, '.2f') AS "command right",
  spread(exact, '.3f') AS "plan exact", spread(forgetting, '+.4f') AS "forgetting, nats"
FROM language_planning GROUP BY method ORDER BY min(place);

-- table: language_review
SELECT method, nullif(count(seed), 0) AS seeds, digits(max(trained), ',.0f') AS trained,
  spread(line, '.2f') AS "line right", spread(fault, '.2f') AS "class right",
  spread(no_leak, '.2f') AS "no solution", spread(forgetting, '+.4f') AS "forgetting, nats"
FROM language_review GROUP BY method ORDER BY min(place);

-- table: language_multitask
-- With min() in a query, SQLite takes a bare column from that row: the first seed's `trained`.
SELECT method, nullif(count(seed), 0) AS seeds, digits(trained, ',.0f') AS trained,
  spread(next, '.2f') AS next, spread(largest, '.2f') AS largest,
  spread(reverse, '.2f') AS reverse, spread(forgetting, '+.4f') AS "forgetting, nats"
FROM language_multitask GROUP BY method ORDER BY min(place);

-- table: language_queries
SELECT arm, count(*) AS questions, sum(made) AS "variants made",
  sum([trained on]) AS "trained on", sum([trained on] <> '0') AS "questions tuned",
  sum(before) AS "right before", sum(after) AS "right after",
  sum([same bits]) AS "same bits afterwards"
FROM language_queries GROUP BY arm ORDER BY min(place);

-- table: language_attributes
SELECT mix, n, tui, tumi, apni, [as asked] FROM language_attributes;

-- table: language_compatible
SELECT mix, n, apni, thanks, both FROM language_compatible;

-- table: pde_layouts
WITH line AS (
  SELECT now.*, old.right = 'yes' AS right_before, now.right = 'yes' AS right_now,
    old.result AS result_before,
    -- The rule of a refusal, without the name of the file and the remedy.
    substr(now.words, instr(now.words, ': ') + 2) AS reason
  FROM pde_layouts AS now JOIN pde_layouts_before AS old USING (file)
)
SELECT layout, '`' || file || '`' AS file, writer AS "written by",
  result_before || iif(right_before, '', ', wrong') AS "at first",
  result || iif(right_now, '', ', wrong') AS now,
  coalesce(fields || ' fields, ' || difference,
    substr(replace(substr(reason, 1, instr(reason || '. ', '. ') - 1), '|', '/'), 1, 96))
    AS "kept and largest difference; or why"
FROM line
UNION ALL
SELECT 'right', NULL, NULL, sum(right_before) || ' of ' || count(*),
  sum(right_now) || ' of ' || count(*), NULL
FROM line
UNION ALL
SELECT 'of these read', NULL, NULL, sum(right_before AND result_before LIKE 'read%'),
  sum(right_now AND result LIKE 'read%'), NULL
FROM line;

-- table: lifelong
SELECT arm AS "what learns", spread(new, '.3f') AS "new accuracy",
  spread(old, '.3f') AS "old accuracy", spread(recall, '.3f') AS recall,
  spread(drift, '.3f') AS drift,
  digits((SELECT over_naive FROM lifelong_step AS step WHERE step.arm = lifelong.arm), '.2f')
    AS "time of a step, naive = 1"
FROM lifelong GROUP BY arm ORDER BY min(place);

-- table: selection
WITH field(nr, field, title, better) AS (VALUES
  (1, 'seismic', 'seismic denoising, SNR in dB (higher is better)', 1),
  (2, 'bangla', 'Bangla register, loss in nats per token (lower is better)', -1),
  (3, 'SmolLM2', 'SmolLM2, loss in nats per token (lower is better)', -1)
), score AS (
  SELECT nr, title, better, seed, rule, iif(field = 'seismic', value, loss) AS score
  FROM field JOIN selection USING (field)
)
SELECT title AS "test score", spread(score, '.3f') FILTER (WHERE rule = 'all') AS [all],
  spread(score, '.3f') FILTER (WHERE rule = 'random') AS "10 % by chance",
  spread(score, '.3f') FILTER (WHERE rule = 'heads') AS "10 % by the strong heads",
  spread(score, '.3f') FILTER (WHERE rule = 'highest-loss') AS "10 % of highest loss",
  spread(score, '.3f') FILTER (WHERE rule = 'lowest-loss') AS "10 % of lowest loss",
  (SELECT sum((chance.score - heads.score) * heads.better > 0) || ' of ' || count(*)
    FROM score AS heads JOIN score AS chance USING (nr, seed)
    WHERE heads.rule = 'heads' AND chance.rule = 'random' AND nr = score.nr)
    AS "seeds where chance beats the heads"
FROM score GROUP BY nr;

-- table: continual
SELECT method,
  iif(count(average_accuracy) = count(*), spread(average_accuracy, '.3f'), NULL)
    AS "average accuracy",
  iif(count(forgetting) = count(*), spread(forgetting, '.3f'), NULL) AS forgetting,
  iif(count(learnt) = count(*), spread(learnt, '.3f'), NULL) AS "accuracy after learning",
  iif(count(plain_digits) = count(*), spread(plain_digits, '.3f'), NULL)
    AS "plain digits at the end",
  max(trained + 0) AS "parameters per task"
FROM continual GROUP BY method ORDER BY min(place);

-- table: unir
SELECT variant AS "what trains", spread(base, '.3f') AS "base alone",
  spread(before, '.3f') AS "with the untrained reasoner", spread(after, '.3f') AS "after training",
  max(trained) AS parameters
FROM unir GROUP BY variant ORDER BY min(place);

-- table: pde_data
SELECT source, max(median) FILTER (WHERE measure LIKE '%crops%') AS "random 64^3 crops, GB/s",
  max(median) FILTER (WHERE measure LIKE '%unequal%') AS "values unequal",
  max(median) FILTER (WHERE measure LIKE '%memory%') AS "memory grown, MB"
FROM pde_data GROUP BY source ORDER BY min(place);

-- table: pde_memory
WITH size AS (SELECT * FROM pde_memory WHERE mib IS NOT NULL)
SELECT layers AS "LoRA on", max(trained) FILTER (WHERE method = 'ours') AS trained, cubes,
  (SELECT mib FROM size AS whole WHERE whole.cubes = size.cubes AND whole.targets IS NULL)
    AS "full, MiB",
  max(mib || ' (' || over_full || ')') FILTER (WHERE method = 'peft') AS "peft (of full)",
  max(mib || ' (' || over_full || ')') FILTER (WHERE method = 'ours') AS ours
FROM size JOIN pde_layers USING (targets) GROUP BY nr, cubes ORDER BY nr, min(place);

-- table: pde_times
SELECT layers AS "LoRA on", max(cubes) FILTER (WHERE method = 'ours') AS cubes,
  digits(max(median_ms) FILTER (WHERE method = 'ours'), '.0f') AS "ours, ms",
  max(interval(times_ours, ci_low, ci_high)) FILTER (WHERE method = 'peft') AS "peft over ours",
  max(interval(times_ours, ci_low, ci_high)) FILTER (WHERE method = 'full fine-tuning')
    AS "full fine-tuning over ours",
  max(interval(times_ours, ci_low, ci_high)) FILTER (WHERE method = 'ours, compiled')
    AS "ours compiled over ours",
  max(gradient_distance) FILTER (WHERE method = 'ours') AS "gradients from peft's"
FROM pde_memory JOIN pde_layers USING (targets) WHERE times_ours IS NOT NULL GROUP BY nr;

-- table: pde_transfer
SELECT equation, task, method,
  digits(trained, ',.0f') || ' (' || digits((trained + 0.0) / parameters, '.1%') || ')'
    AS parameters,
  lr AS rate, spread(before, '.3f') AS "VRMSE before", spread(vrmse, '.3f') AS after,
  spread(persistence, '.3f') AS persistence
FROM pde_transfer GROUP BY equation, task, method ORDER BY min(place);

-- table: pde_confirmation
SELECT equation, task, method,
  digits(trained, ',.0f') || ' (' || digits((trained + 0.0) / parameters, '.1%') || ')'
    AS parameters,
  lr AS rate, spread(before, '.3f') AS "VRMSE before", spread(vrmse, '.3f') AS after
FROM pde_confirmation GROUP BY equation, task, method ORDER BY min(place);

-- table: pde_rollouts
SELECT equation, method, spread(vrmse_1, '.2f') AS "VRMSE, step 1",
  spread([vrmse_6:12], '.2f') AS "VRMSE, 6:12", spread([vrmse_13:30], '.2f') AS "VRMSE, 13:30",
  spread(spectra_1, '.2f') AS "spectra, step 1",
  spread([spectra_6:12], '.2f') AS "spectra, 6:12",
  spread([spectra_13:30], '.2f') AS "spectra, 13:30"
FROM pde_transfer WHERE task = 'dynamics' GROUP BY equation, method ORDER BY min(place);

-- table: pde_online
SELECT points, workers, reuse AS "mean uses of a cube", frames_per_s AS "frames/s",
  cubes_per_s AS "cubes/s", step_ms AS "a step, ms", digits(waiting_share, '.1%') AS waiting
FROM pde_online;

-- table: pde_dynamics
WITH line AS (
  SELECT *, (SELECT min(place) FROM pde_dynamics AS other
    WHERE other.equation = pde_dynamics.equation AND n = '8') AS nr
  FROM pde_dynamics WHERE n = '8'
)
SELECT equation, method, digits(parameters, ',.0f') AS trained, digits(cpu_s, '.0f') AS "CPU s",
  count(*) AS seeds, spread(next, '.3f') AS next, spread([6:12], '.3f') AS [6:12],
  spread([13:30], '.3f') AS [13:30], spread([skill next], '.2f') AS "skill, next",
  spread([skill 13:30], '.2f') AS "skill, 13:30", spread(ms, '.1f') AS "a step, ms"
FROM line GROUP BY equation, method, cpu_s ORDER BY nr, coalesce(cpu_s + 0, 0), min(place);

-- table: pde_spectral
WITH line AS (
  SELECT *, replace(candidate, ', calibrated', '') AS method,
    candidate LIKE '%, calibrated' AS after, min(place) OVER (PARTITION BY flow) AS nr
  FROM pde_spectral WHERE part IS NULL
)
SELECT flow, method, count(DISTINCT seed) AS seeds,
  spread(test, '.4f') FILTER (WHERE horizon = 'next') AS next,
  spread(test, '.3f') FILTER (WHERE horizon = '6:12' AND NOT after) AS [6:12],
  spread(test, '.3f') FILTER (WHERE horizon = '6:12' AND after) AS calibrated,
  spread(test, '.3f') FILTER (WHERE horizon = '13:30' AND NOT after) AS [13:30],
  spread(test, '.3f') FILTER (WHERE horizon = '13:30' AND after) AS calibrated,
  digits(max(rate + 0), 'g') AS rate
FROM line GROUP BY flow, method ORDER BY nr, min(place);

-- table: pde_choice
WITH line AS (
  SELECT *, min(place) OVER (PARTITION BY flow) AS nr FROM pde_spectral
  WHERE part IS NULL AND candidate NOT IN ('two, 10 s each', 'bilinear, projected')
), best AS (
  SELECT flow, seed, horizon, candidate, min(test + 0) AS error FROM line
  GROUP BY flow, seed, horizon
)
SELECT line.flow, line.seed, line.horizon, line.candidate AS "chosen by validation",
  digits(line.test, '.4f') AS test, best.candidate AS "best on test",
  digits(best.error, '.4f') AS "its test", digits(line.test / best.error, '.3f') AS ratio
FROM line JOIN best USING (flow, seed, horizon)
WHERE line.chosen = 'yes' ORDER BY nr, line.seed, line.place;

-- table: pde_parts
SELECT flow, seed, part, digits(validation, '.4f') AS validation, digits(test, '.4f') AS test
FROM pde_spectral WHERE part IS NOT NULL ORDER BY place;

-- table: pde_few
-- With all eight trajectories, the runs of the same seconds.
WITH flow AS (SELECT * FROM pde_dynamics WHERE equation = 'kolmogorov_flow')
SELECT method, spread([skill next], '.2f') FILTER (WHERE n = '1') AS "1 trajectories",
  spread([skill next], '.2f') FILTER (WHERE n = '2') AS "2 trajectories",
  spread([skill next], '.2f') FILTER (WHERE n = '4') AS "4 trajectories",
  spread([skill next], '.2f') FILTER (WHERE n = '8') AS "8 trajectories"
FROM flow WHERE coalesce(cpu_s, '') IN (SELECT coalesce(cpu_s, '') FROM flow WHERE n <> '8')
GROUP BY method HAVING sum(n <> '8') ORDER BY min(place) FILTER (WHERE n <> '8');

-- table: pde_corrector
SELECT method, cpu_s AS "CPU s", count(*) AS seeds, spread(next, '.3f') AS next,
  spread([6:12], '.3f') AS [6:12], spread([13:30], '.3f') AS [13:30],
  spread([skill next], '.2f') AS "skill, next", spread([skill 13:30], '.2f') AS "skill, 13:30",
  spread(ms, '.1f') AS "a step, ms"
FROM pde_corrector GROUP BY method ORDER BY min(place);

-- table: pde_pretraining
WITH line AS (
  SELECT *, min(place) OVER (PARTITION BY equation, method, steps) AS nr FROM pde_pretraining
)
SELECT equation, method, steps, 'seed ' || seed AS across, digits(next, '.4f') AS cell
FROM line ORDER BY nr, seed;

-- table: pde_tiny
WITH line AS (
  SELECT *, min(place) OVER (PARTITION BY equation) AS nr,
    min(place) OVER (PARTITION BY way) AS turn
  FROM pde_tiny
)
SELECT replace(equation, '_', ' ') AS equation, iif(trained = 'True', 'yes', 'no') AS "in training",
  way AS across,
  digits(fine, '.3f') || ' / ' || digits(middle, '.3f') || ' / ' || digits(coarse, '.3f') AS cell
FROM line ORDER BY nr, way LIKE 'tiny%', turn;

-- table: pde_workers
SELECT source, digits(max(median) FILTER (WHERE measure = 'three epochs, 0 workers'), '.3g')
    AS "no workers, three epochs",
  digits(max(median) FILTER (WHERE measure = 'later epochs, 0 workers'), '.3g')
    AS "the later two",
  digits(max(median) FILTER (WHERE measure = 'three epochs, 4 workers'), '.3g')
    AS "4 workers, three epochs",
  digits(max(median) FILTER (WHERE measure = 'later epochs, 4 workers'), '.3g')
    AS "the later two"
FROM pde_data WHERE measure LIKE '%epochs%' GROUP BY source ORDER BY min(place);

-- table: pde_solver
SELECT points, dtype AS precision, max(ms) FILTER (WHERE step = 'all modes') AS "all modes, ms",
  max(ms) FILTER (WHERE step = 'kept modes') AS "kept modes, ms",
  max(ms) FILTER (WHERE step = 'exponax') AS "exponax, ms",
  max(interval(over_kept, low, high)) FILTER (WHERE step = 'all modes') AS "all over kept",
  max(interval(over_kept, low, high)) FILTER (WHERE step = 'exponax') AS "exponax over kept"
FROM pde_solver GROUP BY points, dtype ORDER BY min(place);

-- table: pde_large
SELECT side, fields, tile, halo, at_once AS "at once", state_gb AS "state, GB",
  peak_gb AS "peak, GB"
FROM pde_large;

-- table: pde_skill
WITH line AS (
  SELECT equation, horizon, method, min(place) AS place, digits(mean(vrmse), '.3f') AS cell
  FROM pde_skill GROUP BY equation, horizon, method
)
SELECT equation, horizon, method AS across, cell FROM line ORDER BY place;

-- table: audio_day
SELECT hours, weights, overlap, [peak MB] AS "memory, MB",
  digits([CPU a second], '.4f') AS "CPU s for a second",
  digits([search, CPU a second], '.4f') AS "of them the search"
FROM audio_day ORDER BY place;

-- table: audio_geophysics
SELECT arm AS " ", 'level ' || level AS across, spread(ap, '.1f') AS cell
FROM audio_geophysics GROUP BY arm, level ORDER BY min(place);

-- table: fuzz
SELECT sample AS format, digits(mutations, ',.0f') AS damaged, equal AS read,
  [values] AS "other values", shapes AS "other shape", refused, died, time AS "too slow",
  memory AS "too large", [foreign] AS "foreign error", death + hang AS "caller dead or hangs"
FROM fuzz WHERE sample NOT LIKE '%(hostile)'
UNION ALL
SELECT '**all**', digits(sum(mutations), ',.0f'), digits(sum(equal), ',.0f'),
  digits(sum([values]), ',.0f'), digits(sum(shapes), ',.0f'), digits(sum(refused), ',.0f'),
  digits(sum(died), ',.0f'), digits(sum(time), ',.0f'), digits(sum(memory), ',.0f'),
  digits(sum([foreign]), ',.0f'), digits(sum(death + hang), ',.0f')
FROM fuzz WHERE sample NOT LIKE '%(hostile)';

-- table: fuzz_hostile
WITH file AS (
  SELECT *, substr(sample, 1, instr(sample, '/') - 1) AS plugin FROM fuzz
  WHERE sample LIKE '%(hostile)'
), line AS (
  SELECT place, plugin, plugin AS title FROM file
  UNION ALL SELECT place + 1000, plugin, '**all**' FROM file
)
SELECT title AS plugin, count(*) AS formats, digits(sum(mutations), ',.0f') AS "hostile files",
  digits(sum(refused), ',.0f') AS refused, digits(sum(equal), ',.0f') AS "read as before",
  digits(sum([values] + shapes), ',.0f') AS "other values",
  digits(sum(time + memory), ',.0f') AS "ended by the service",
  digits(sum([foreign]), ',.0f') AS "foreign error",
  digits(sum(escaped + death + hang), ',.0f') AS "code ran, or another file was read"
FROM line JOIN file ON file.place = line.place % 1000 GROUP BY title ORDER BY min(line.place);

-- table: reader_service
SELECT what AS "what is read", inline_s AS "inline, CPU s", service_s AS "in a child, CPU s",
  cost, aim
FROM reader_service;

-- table: accuracy
WITH score AS (
  SELECT min(place) AS place, noise, method, mean(snr) AS snr, spread(snr, 'z.1f') AS cell
  FROM seismic_snr GROUP BY noise, method
)
SELECT replace(noise, '_', ' ') AS noise, title AS across,
  iif(snr = max(snr) OVER (PARTITION BY noise), '**' || cell || '**', cell) AS cell
FROM score JOIN seismic_method USING (method)
ORDER BY min(place) OVER (PARTITION BY noise), nr;

-- table: accuracy_summary
WITH score AS (
  SELECT min(place) AS place, noise, method, title, mean(snr) AS snr, spread(snr, 'z.1f') AS cell,
    nr BETWEEN 1 AND 8 AS classical
  FROM seismic_snr JOIN seismic_method USING (method) GROUP BY noise, method
), line AS (
  SELECT *, row_number() OVER (PARTITION BY noise, classical ORDER BY snr DESC) AS rank FROM score
)
SELECT replace(noise, '_', ' ') AS noise,
  max(title) FILTER (WHERE classical AND rank = 1) AS "best classical method",
  max(cell) FILTER (WHERE classical AND rank = 1) AS "its SNR",
  max(cell) FILTER (WHERE method = 'U-Net') AS [U-Net],
  max(cell) FILTER (WHERE method = 'LoRA + head') AS Scionwood
FROM line GROUP BY noise ORDER BY min(place);

-- table: peft
WITH form(nr, method, baseline) AS (VALUES
  (1, 'LoRA + head', 'LoRA + head'),
  (2, 'full', 'LoRA + head'),
  (3, 'frozen + head', 'LoRA + head'),
  (4, 'scratch', 'LoRA + head'),
  (5, 'LoRA + light head', 'LoRA + light head'),
  (6, 'full, light head', 'LoRA + light head'),
  (7, 'frozen + light head', 'LoRA + light head'),
  (8, 'scratch, light head', 'LoRA + light head'),
  (9, 'U-Net', 'LoRA + head')
)
SELECT form.method AS "what trains",
  digits(score.trained, ',.0f') || ' of ' || digits(score.parameters, ',.0f') || ' ('
    || digits((score.trained + 0.0) / score.parameters, '.1%') || ')'
    AS "trained parameters of all",
  count(*) AS seeds, spread(score.snr, '.2f') AS "SNR, dB",
  iif(form.method = baseline, NULL, spread(score.snr - lora.snr, '+.2f')) AS "minus LoRA, dB"
FROM form JOIN seismic_snr AS score USING (method)
JOIN seismic_snr AS lora ON lora.method = baseline AND lora.seed = score.seed
  AND lora.noise = score.noise
WHERE score.noise = '**mean**' GROUP BY nr;

-- table: harm
WITH alone AS (
  SELECT snr + 0 AS snr FROM seismic_accuracy WHERE method = 'LoRA + head' AND noise = 'none'
), ratio AS (
  SELECT amplitude_ratio + 0 AS ratio, row_number() OVER (ORDER BY amplitude_ratio + 0) - 1 AS nr,
    count(*) OVER () / 20 AS twentieth, count(*) OVER () AS n
  FROM seismic_accuracy WHERE method = 'LoRA + head' AND noise <> 'none'
)
SELECT 'SNR of a gather without noise, dB: mean' AS measure, digits(mean(snr), '.1f') AS value
FROM alone
UNION ALL SELECT 'the same: lowest', digits(min(snr), '.1f') FROM alone
UNION ALL SELECT 'the same: 20 dB or more', sum(snr >= 20) || ' of ' || count(*) FROM alone
UNION ALL SELECT 'RMS of the result over that of the clean gather: median',
  digits(median(ratio), '.3f') FROM ratio
UNION ALL SELECT 'the same: 5 % and 95 % quantile',
  digits(max(ratio) FILTER (WHERE nr = twentieth), '.3f') || ' to '
    || digits(max(ratio) FILTER (WHERE nr = n - 1 - twentieth), '.3f')
FROM ratio;

-- table: leakage
SELECT replace(noise, '_', ' ') AS noise,
  digits(mean(noise_removed), 'z.3f') || ' / ' || digits(mean(noise_removed_ssa), 'z.3f')
    AS "noise removed",
  digits(mean(signal_removed), 'z.3f') || ' / ' || digits(mean(signal_removed_ssa), 'z.3f')
    AS "signal removed",
  digits(mean(local_similarity), 'z.3f') || ' / ' || digits(mean(local_similarity_ssa), 'z.3f')
    AS "local similarity",
  digits(mean(ms_ssim_r), 'z.3f') || ' / ' || digits(mean(ms_ssim_r_ssa), 'z.3f') AS "MS-SSIM-R"
FROM seismic_accuracy WHERE noise_removed IS NOT NULL GROUP BY noise ORDER BY min(place);

-- table: tta
WITH line AS (
  SELECT place, objective, noise, snr, gain, verdict FROM seismic_tta
  UNION ALL SELECT 1000, objective, '**both unseen classes**', snr, gain, verdict FROM seismic_tta
  WHERE objective = 'matched' AND noise <> 'erratic'
)
SELECT objective, noise, count(*) AS gathers, digits(mean(snr), '.1f') AS "SNR before, dB",
  digits(median(gain), '+.2f') AS "median gain", digits(min(gain + 0), '+.2f') AS worst,
  sum(verdict = 'adapted') || ' of ' || count(*) AS adapted
FROM line GROUP BY objective, noise ORDER BY min(place);

-- table: io
SELECT measure || ', ' || digits(gigabytes, 'g') || ' GB' AS measure, tool, median, unit
FROM seismic_io;

-- table: field_aims
SELECT aim, side || ' ' || digits(bound, iif(abs(bound) < 1, '.2f', '.1f')) AS bar,
  best AS "best filter", digits(before, iif(abs(before) < 1, '.2f', '.1f')) AS [`seismic/denoise`],
  digits(ours, iif(abs(ours) < 1, '.2f', '.1f')) AS Scionwood,
  iif(verdict LIKE 'met%', verdict, '**' || verdict || '**') AS verdict
FROM field_verdict ORDER BY nr;

-- table: field_tried
SELECT aim, coalesce('Without the harm gate: '
    || digits(free, iif(abs(free) < 1, '.2f', '.1f')) || '. ', '') || tried AS "what was tried"
FROM field_verdict WHERE verdict LIKE 'not %' ORDER BY nr;

-- table: field_noise
WITH score AS (
  SELECT *, iif(snr + 0 = max(snr + 0) OVER (PARTITION BY [group], [case], noise),
      '**' || digits(snr, 'z.1f') || '**', digits(snr, 'z.1f')) AS cell
  FROM seismic_field JOIN field_record USING ([group]) JOIN field_method USING (method)
  WHERE snr IS NOT NULL
)
SELECT record || iif([case] IN ('as it is', 'event of the test data'), '', ', ' || [case])
    AS record,
  iif(noise = 'none', 'clean', noise) AS noise,
  max(cell) FILTER (WHERE method = 'band-pass') AS [band-pass],
  max(cell) FILTER (WHERE method = 'f-k') AS [f-k],
  max(cell) FILTER (WHERE method = 'f-x SSA') AS [f-x SSA],
  max(cell) FILTER (WHERE method = 'TV') AS TV,
  max(cell) FILTER (WHERE method = 'WaveDenoiser') AS WaveDenoiser,
  max(cell) FILTER (WHERE method = 'seismic/denoise') AS [`seismic/denoise`],
  max(cell) FILTER (WHERE method = 'Scionwood, no gate') AS "field model, no gate",
  max(cell) FILTER (WHERE method = 'Scionwood') AS Scionwood
FROM score GROUP BY [group], [case], score.noise ORDER BY min(place);

-- table: field_alone
SELECT record, head AS method, digits(removed, 'z.2f') AS "energy removed, %",
  digits(next_inline, 'z.2f') AS "correlation with the next inline",
  digits(similarity, 'z.2f') AS "local similarity",
  digits(recovered, 'z.2f') AS "recovered amplitude"
FROM seismic_field JOIN field_record USING ([group]) JOIN field_method USING (method)
WHERE snr IS NULL ORDER BY record_nr, column_nr, place;

-- table: field_envelope
WITH score AS (
  SELECT *, CASE
      WHEN passed + 0 = records + 0 THEN 'passed through'
      ELSE digits(iif(noise = 'none', lowest, snr), 'z.1f')
        || iif(passed + 0 > 0, ' (' || passed || ' of ' || records || ' passed through)', '')
    END AS cell
  FROM seismic_field WHERE [group] IN ('dips', 'traces', 'periods')
)
SELECT [case] AS gather,
  max(cell) FILTER (WHERE method = 'seismic/denoise' AND noise = 'none') AS [`denoise`: clean],
  max(cell) FILTER (WHERE method = 'seismic/denoise' AND noise = 'white') AS [`denoise`: 0 dB],
  max(cell) FILTER (WHERE method = 'Scionwood' AND noise = 'none') AS "Scionwood: clean",
  max(cell) FILTER (WHERE method = 'Scionwood' AND noise = 'white') AS "Scionwood: 0 dB"
FROM score GROUP BY [group], [case] ORDER BY min(place);

-- table: field_adaptation
SELECT objective AS adaptation, CASE
    WHEN [case] IN ('as it is', 'event of the test data') THEN record
    WHEN [case] IN ('as recorded', 't^2 gain') THEN record || ', ' || [case]
    ELSE [case]
  END AS record,
  nullif(noise, 'none') AS noise,
  change(objective_before, objective_after) AS objective,
  change(removed_before, removed_after) AS "removed, %",
  change(share_before, share_after) AS "kept of the removal",
  change(recovered_before, recovered_after) AS "recovered amplitude",
  digits(gain, '+z.2f') AS "gain, dB", verdict
FROM seismic_adaptation_field AS field LEFT JOIN field_record USING ([group]) ORDER BY place;

-- table: encoder
-- Where a cell has three numbers, they stand for 8, 64 and 512 gathers of training.
WITH size(gathers) AS (VALUES ('8'), ('64'), ('512')), line AS (
  SELECT variant, count(seed) AS seeds, trained, parameters,
    coalesce(digits(mean(steps), 'z.0f'), '-') AS steps,
    coalesce(digits(mean(clean), 'z.1f'), '-') AS clean,
    coalesce(digits(mean(noisy), 'z.1f'), '-') AS noisy,
    coalesce(digits(mean(viking_removed), 'z.1f'), '-') AS viking_removed,
    coalesce(digits(mean(viking_white), 'z.1f'), '-') AS viking_white,
    coalesce(digits(mean(viking_forge), 'z.1f'), '-') AS viking_forge,
    coalesce(digits(mean(salt_white), 'z.1f'), '-') AS salt_white,
    substr(variant, 1, instr(variant || ',', ',') - 1) AS encoder,
    substr(variant, instr(variant || ',', ',') + 2) AS trains
  FROM (SELECT DISTINCT variant FROM seismic_encoder) JOIN size
  LEFT JOIN seismic_encoder USING (variant, gathers)
  GROUP BY variant, gathers ORDER BY variant, gathers + 0
)
SELECT variant AS "network, what trains", group_concat(seeds, ' / ') AS seeds,
  digits(max(trained / 1e6), '.2f') || ' of ' || digits(max(parameters / 1e6), '.2f')
    AS "trained, M",
  group_concat(steps, ' / ') AS steps,
  (SELECT digits(mean(forward_ms), 'z.0f') || ' ms, ' || digits(mean(peak_mb), 'z.0f') || ' MB'
    FROM seismic_encoder WHERE seismic_encoder.variant = line.variant) AS "a record, peak",
  group_concat(clean, ' / ') AS "clean, dB", group_concat(noisy, ' / ') AS "0 dB, dB",
  group_concat(viking_removed, ' / ') AS "Viking: removed, %",
  group_concat(viking_white, ' / ') AS "+ white, dB",
  group_concat(viking_forge, ' / ') AS "+ FORGE, dB",
  group_concat(salt_white, ' / ') AS "salt + white, dB"
FROM line GROUP BY variant
ORDER BY instr('field_unet DINOv3 tiny DINOv2 ViT-S DINOv3 ViT-S', encoder),
  instr('LoRA frozen full scratch random encoder', trains);

-- table: encoder_spread
WITH score(nr, number, variant, gathers, value) AS (
  SELECT 1, 'clean, dB', variant, gathers, clean FROM seismic_encoder
  UNION ALL SELECT 2, '0 dB, dB', variant, gathers, noisy FROM seismic_encoder
  UNION ALL SELECT 3, 'Viking: removed, %', variant, gathers, viking_removed FROM seismic_encoder
  UNION ALL SELECT 4, '+ white, dB', variant, gathers, viking_white FROM seismic_encoder
  UNION ALL SELECT 5, '+ FORGE, dB', variant, gathers, viking_forge FROM seismic_encoder
  UNION ALL SELECT 6, 'salt + white, dB', variant, gathers, salt_white FROM seismic_encoder
), line AS (
  SELECT nr, number, deviation(value) AS value FROM score GROUP BY nr, variant, gathers
)
SELECT number, digits(median(value), '.1f') AS median, digits(max(value), '.1f') AS largest
FROM line GROUP BY nr;

-- table: inputs_volumes
SELECT iif(variant = 'neighbours', 'three slices (2.5D)', variant) AS network,
  digits(seconds, 'g') AS "trained, s", count(*) AS seeds,
  half_range(made_clean) AS "generated cube, clean, dB", half_range(made_white) AS "+ white, dB",
  half_range(cube_white_off) AS "field cube + white, dB",
  half_range(cube_white_blend) AS "with the gate",
  half_range(F3_white_off) AS "F3 + white, dB",
  half_range(F3_white_blend) AS "with the gate",
  half_range(cube_removed) AS "field cube: removed, %",
  half_range(cube_next) AS "alike in the next inline",
  half_range(F3_next) AS "F3: alike in the next inline",
  half_range(alone) AS "event of one inline"
FROM seismic_inputs WHERE [group] = 'volumes' GROUP BY seconds, variant
ORDER BY seconds + 0, variant LIKE 'neighbours%', variant;

-- table: gate_rates
-- Records that pass through unchanged have no light to judge.
WITH pair AS (
  SELECT *, iif(denoiser = 'network', 'shipped networks', 'six filters that lose events') AS what
  FROM seismic_gate WHERE light NOT IN ('passed', 'grey')
), pairs AS (
  SELECT * FROM pair UNION ALL
  SELECT *, 'all' FROM seismic_gate WHERE light NOT IN ('passed', 'grey')
)
SELECT what AS denoiser, count(*) AS pairs,
  sum(truth = 'green') || ' / ' || sum(truth = 'yellow') || ' / ' || sum(truth = 'red')
    AS "true green / yellow / red",
  sum(light = 'green' AND truth <> 'green') || ' of ' || sum(truth <> 'green') AS "false green",
  sum(light = 'green' AND truth = 'red') || ' of ' || sum(truth = 'red') AS "green, truth red",
  sum(light <> 'green' AND truth = 'green') || ' of ' || sum(truth = 'green') AS "false yellow",
  digits(correlation(strong, true_strong), '.2f') AS "correlation, strong",
  digits(correlation(weak, true_weak), '.2f') AS "weak",
  sum(light = truth) AS "right light"
FROM pairs GROUP BY what ORDER BY what = 'all', what DESC;

-- table: gate_noises
SELECT noise, count(*) AS pairs,
  sum(light = 'green' AND truth <> 'green') || ' of ' || sum(truth <> 'green') AS "false green",
  sum(light <> 'green' AND truth = 'green') || ' of ' || sum(truth = 'green') AS "false yellow",
  sum(light = truth) AS "right light",
  digits(median(strong), '.2f') AS "strong, gate", digits(median(true_strong), '.2f') AS "truth",
  digits(median(weak), '.2f') AS "weak, gate", digits(median(true_weak), '.2f') AS "truth"
FROM seismic_gate WHERE denoiser = 'network' AND light NOT IN ('passed', 'grey')
GROUP BY noise ORDER BY min(place);

-- table: coherent_noises
-- Lines with all six noises; slow waves go only where they are asked for, in roll. A result behind
-- the gate is compared with the network behind the gate.
WITH complete AS (
  SELECT seed, line FROM seismic_coherent WHERE noise NOT IN ('none') AND slow = 'keep'
  GROUP BY seed, line HAVING count(DISTINCT noise) = 6
), row AS (
  SELECT seismic_coherent.* FROM seismic_coherent JOIN complete USING (seed, line)
  WHERE noise <> 'none'
), score AS (
  SELECT 1 AS nr, 'network, no gate' AS method, noise, network AS snr, network FROM row
  WHERE slow = 'keep'
  UNION ALL SELECT 2, 'network', noise, network_gated, network_gated FROM row WHERE slow = 'keep'
  UNION ALL SELECT 3, 'wide band, rank 8 (no network)', noise, filter, network FROM row
  WHERE slow = 'keep'
  UNION ALL SELECT 4, 'fixed chain: wide band, rank 8, network', noise, chain, network FROM row
  WHERE slow = 'keep'
  UNION ALL SELECT 5, '`--coherent auto`, no gate', noise, mixture, network FROM row
  WHERE slow = 'keep'
  UNION ALL SELECT 6, '**`--coherent auto`**', noise, gated, network_gated FROM row
  WHERE slow = 'keep'
  UNION ALL SELECT 7, '`--coherent auto --slow remove`, no gate', noise, mixture, network
  FROM row WHERE slow = iif(noise = 'roll', 'remove', 'keep')
  UNION ALL SELECT 8, '**`--coherent auto --slow remove`**', noise, gated, network_gated
  FROM row WHERE slow = iif(noise = 'roll', 'remove', 'keep')
  UNION ALL SELECT 9, 'oracle: the best candidate of each record', noise, oracle, network
  FROM row WHERE slow = 'keep'
)
SELECT method,
  digits(avg(snr) FILTER (WHERE noise = 'white'), '.2f') AS white,
  digits(avg(snr) FILTER (WHERE noise = 'band'), '.2f') AS band,
  digits(avg(snr) FILTER (WHERE noise = 'FORGE'), '.2f') AS FORGE,
  digits(avg(snr) FILTER (WHERE noise = 'roll'), '.2f') AS roll,
  digits(avg(snr) FILTER (WHERE noise = 'swell'), '.2f') AS swell,
  digits(avg(snr) FILTER (WHERE noise = 'instrument'), '.2f') AS instrument,
  digits(avg(snr), '.2f') AS mean, digits(min(snr - network), '.2f') AS "worst against the network, gate alike",
  count(*) AS records
FROM score GROUP BY nr, method ORDER BY nr;

-- table: coherent_lines
SELECT line, count(*) AS records, digits(avg(network), '.2f') AS "network, no gate",
  digits(avg(network_gated), '.2f') AS network, digits(avg(chain), '.2f') AS "fixed chain",
  digits(avg(gated), '.2f') AS "`--coherent auto`", digits(avg(oracle), '.2f') AS oracle
FROM seismic_coherent WHERE slow = 'keep' AND noise <> 'none' AND line <> 'DAS event'
GROUP BY line HAVING count(DISTINCT noise) = 6 ORDER BY min(place);

-- table: coherent_das
SELECT noise, digits(network, '.2f') AS "network, no gate", digits(network_gated, '.2f') AS network,
  digits(filter, '.2f') AS "wide band, rank 8", digits(chain, '.2f') AS "fixed chain",
  digits(mixture, '.2f') AS "`--coherent auto`, no gate", digits(gated, '.2f') AS "`--coherent auto`",
  digits(oracle, '.2f') AS oracle, light
FROM seismic_coherent WHERE line = 'DAS event' ORDER BY place;

-- table: inputs_gathers
SELECT variant AS network, digits(seconds, 'g') AS "trained, s", count(*) AS seeds,
  half_range(made_clean) AS "generated, clean, dB", half_range(made_0dB) AS "0 dB",
  half_range(made_few_0dB) AS "0 dB, few traces",
  half_range(viking_white) AS "Viking + white, dB",
  half_range(viking_band) AS "+ band", half_range(viking_FORGE) AS "+ FORGE"
FROM seismic_inputs WHERE [group] = 'gathers' GROUP BY seconds, variant
ORDER BY seconds + 0, variant LIKE 'told%', variant;

-- table: serve_concurrency
SELECT session, requests, threads, swaps, [versions that answered], [distinct references],
  [off their version], lost, [p50 ms], [p95 ms], s
FROM serve_concurrency;

-- table: serve_memory
SELECT [adapters added], [base and adapter MB], [adapter and head MB], [worker with one MB],
  [worker with all MB], [MB each], [allowed MB each]
FROM serve_memory;

-- table: serve_latency
SELECT shadow, requests, [p50 ms], [p95 ms], [worker MB] FROM serve_latency;

-- table: serve_together
SELECT service, [at most together], requests, threads, [computed with others], [requests per s],
  [times alone], [largest difference]
FROM serve_together;

-- table: serve_hostile
SELECT request, status, s, [peak MB], worker, replace(rule, '|', '/') AS rule FROM serve_hostile;

-- table: study_pays
SELECT task, n AS examples, title AS method, draws, digits(steps, '.0f') AS steps,
  bounds(score, low, high, '.3f') AS "balanced accuracy",
  difference(less_frozen, less_frozen_low, less_frozen_high) AS "less the best frozen",
  difference(less_untrained, less_untrained_low, less_untrained_high)
    AS "less the same reading before training"
FROM study_row AS line
WHERE base = 'real' AND images
  AND EXISTS (SELECT 1 FROM study_row AS other WHERE other.task = line.task AND other.n = line.n
    AND other.base = 'real' AND other.method IN ('lora', 'full'))
  AND (method = reference OR method IN ('lora', 'full', 'lora_long', 'full_long', 'lora_minute',
    'full_minute', 'cnn', 'scratch'))
ORDER BY task_nr, n + 0, nr;

-- table: study_frozen
SELECT task, n AS examples,
  digits(max(score) FILTER (WHERE base = 'real' AND method = 'raw'), '.3f')
    AS "raw input, linear",
  digits(max(score) FILTER (WHERE base = 'real' AND method = 'class_mean'), '.3f')
    AS "class means",
  digits(max(score) FILTER (WHERE base = 'real' AND method = 'regression'), '.3f') AS regression,
  digits(max(score) FILTER (WHERE base = 'real' AND method = 'last_lda'), '.3f')
    AS "LDA of the last layer",
  digits(max(score) FILTER (WHERE base = 'real' AND method = 'block_lda'), '.3f')
    AS "block-wise LDA",
  digits(max(score) FILTER (WHERE base = 'random' AND method = 'block_lda'), '.3f')
    AS "block-wise LDA, random weights"
FROM study_row WHERE images GROUP BY task, n HAVING sum(base = 'real' AND method = 'raw')
ORDER BY task_nr, n + 0;

-- table: methods_mesh
SELECT experiment, scores AS "relative RMSE", forgetting, trained, share, rate AS "learning rate"
FROM methods_score WHERE task = 'mesh' ORDER BY mean_score, first;

-- table: methods_field
SELECT experiment, scores AS VRMSE, forgetting, trained, share, rate AS "learning rate"
FROM methods_score WHERE task = 'field' ORDER BY mean_score, first;

-- table: methods_refused
SELECT task, method || '/' || name AS experiment,
  substr(error, 1, instr(error || '. ', '. ') - 1) AS reason
FROM methods WHERE status = 'refused';

-- table: methods_costs
SELECT task, experiment, digits(bytes / 1024, ',.1f') AS "file, KiB",
  digits(peak / 1048576.0, '.1f') AS "peak, MiB", digits(step_ms, '.1f') AS "step, ms",
  interval(step_over_lora, step_ci_low, step_ci_high) AS "step over LoRA's",
  digits(seconds, '.1f') AS "training, s"
FROM methods_run WHERE peak IS NOT NULL ORDER BY task = 'field', first;

-- table: study_methods
SELECT task, title AS method, draws, digits(score, '.3f') AS score,
  difference(less_lora, less_lora_low, less_lora_high) AS "less LoRA",
  difference(less_untrained, less_untrained_low, less_untrained_high) AS "less untrained",
  readout AS "read by", digits(steps, '.0f') AS steps, digits(seconds, '.1f') AS "CPU s",
  digits(trained, ',.0f') AS trained, digits(stored / 1024.0, ',.0f') AS "stored, KiB",
  digits(forgetting, '+.3f') AS "probe lost"
FROM study_row AS line
WHERE base = 'real' AND images
  AND EXISTS (SELECT 1 FROM study_row AS other WHERE other.task = line.task AND other.n = line.n
    AND other.base = 'real' AND other.method = 'dora')
  AND method NOT IN ('raw', 'class_mean', 'regression', 'last_lda', 'block_lda', 'untrained')
ORDER BY task_nr, n + 0, nr;

-- table: study_dense
SELECT n AS slices, title || iif(base = 'random', ', random weights', '') AS method, draws,
  bounds(score, low, high, '.3f') AS Dice,
  difference(less_untrained, less_untrained_low, less_untrained_high)
    AS "less the frozen linear head",
  digits(steps, '.0f') AS steps, digits(seconds, '.1f') AS "CPU s",
  digits(trained, ',.0f') AS trained
FROM study_row WHERE task = 'lesions'
ORDER BY n + 0, base = 'random', instr('pixels unet linear ia3 lora full', method);

-- table: study_twins
SELECT twin.task, twin.n AS examples, twin.title AS method,
  bounds(twin.score, twin.low, twin.high, '.3f') AS "random weights",
  bounds(real.score, real.low, real.high, '.3f') AS "real weights",
  digits(best.score, '.3f') AS "best frozen, real"
FROM study_row AS twin
JOIN study_row AS real ON real.base = 'real' AND real.task = twin.task AND real.n = twin.n
  AND real.method = twin.method
LEFT JOIN study_row AS best ON best.base = 'real' AND best.task = twin.task AND best.n = twin.n
  AND best.method = twin.reference
WHERE twin.base = 'random' AND twin.images AND twin.method IN ('lora', 'full')
ORDER BY twin.task_nr, twin.n + 0, twin.nr;

-- table: study_texts
SELECT task AS text, n AS sequences, title AS method, draws,
  bounds(score, low, high, '.3f') AS "nats a token",
  difference(less_frozen, less_frozen_low, less_frozen_high) AS "less the best frozen",
  digits(forgetting, '+.3f') AS "general text lost", digits(steps, '.0f') AS steps,
  coalesce(digits(trained, ',.0f'), '0') AS trained
FROM study_row WHERE base = 'real' AND task IN ('manual', 'licences')
ORDER BY task_nr, n + 0, nr;

-- table: study_margin
SELECT task AS tasks, replace(method, 'correlation of ', '') AS quantity, n AS runs,
  digits(score, '+.2f') AS "rank correlation with forgetting"
FROM study_summary WHERE method LIKE 'correlation of%';

-- table: study_distance
SELECT task, digits(far.distance, '.3f') AS "distance from photographs",
  n AS "most examples",
  difference(less_frozen, less_frozen_low, less_frozen_high) AS "LoRA less the best frozen"
FROM study_distance AS far LEFT JOIN (
  SELECT *, max(n + 0) FROM study_row WHERE base = 'real' AND images AND method = 'lora'
  GROUP BY task
) USING (task) ORDER BY far.distance + 0;

-- table: study_costs
SELECT title AS method, kernels AS "fused kernels", digits(peak / 1048576.0, '.1f') AS "peak, MiB",
  digits(step_ms, '.0f') AS "step, CPU ms",
  bounds(ratio, low, high, '.2f') AS "step over LoRA's, fused"
FROM study_cost JOIN study_method USING (method) ORDER BY place;

-- table: busy_machine
-- A fair share of two cores beside other processes: as many steps as alone, over the processes.
WITH rate AS (
  SELECT busy + 0 AS busy, median(steps_per_s) FILTER (WHERE rule = 'torch') AS torch,
    median(steps_per_s) FILTER (WHERE rule = 'ours') AS ours,
    median(steps_per_s) FILTER (WHERE rule = 'one') AS one
  FROM busy_machine GROUP BY busy
), fair AS (
  SELECT busy, (SELECT one FROM rate WHERE busy = 0) * min(1, 2.0 / (busy + 1)) AS fair FROM rate
)
SELECT busy AS "busy processes", digits(torch, '.2f') AS "all threads, steps/s",
  digits(ours, '.2f') AS "Scionwood, steps/s", digits(fair, '.2f') AS "fair share",
  digits(ours / fair, '.2f') AS "of it"
FROM rate JOIN fair USING (busy) ORDER BY busy;

-- table: audio_bridge
SELECT arm, count(*) AS seeds, spread(events, '.1f') AS "events, %",
  spread(background, '.1f') AS "background, %", spread([all], '.1f') AS "all seconds, %",
  spread(loss, '.3f') AS "training loss", digits(min(trained + 0), ',.0f') AS trained
FROM audio_bridge WHERE arm NOT LIKE 'gate:%' GROUP BY arm ORDER BY min(place);

-- table: audio_gates
SELECT arm, count(*) AS seeds, spread(gate_audio, '.3f') AS "gate to audio, sd",
  spread(gate_vision, '.3f') AS "gate to vision, sd",
  spread(one_row_audio, '.0f') AS "audio: seconds at one row, %",
  spread(one_row_vision, '.0f') AS "vision: seconds at one row, %",
  spread(events, '.1f') AS "events, %"
FROM audio_bridge WHERE gate_audio IS NOT NULL GROUP BY arm ORDER BY min(place);

-- table: audio_classes
SELECT features, head,
  max(iif(k = '5', mean || ' ± ' || sd, NULL)) AS "5 recordings a class, %",
  max(iif(k = '9', mean || ' ± ' || sd, NULL)) AS "9 recordings a class, %",
  max(splits + 0) AS splits
FROM audio_classes GROUP BY features, head ORDER BY min(place);

-- table: audio_words
SELECT arm || iif(clips + 0, ', ' || clips || ' clips', '') AS "AUC easy / hard, %",
  language AS across, spread(easy, '.1f') || ' / ' || spread(hard, '.1f') AS cell
FROM audio_words GROUP BY arm, clips, language ORDER BY clips + 0, min(place);

-- table: audio_words_crossing
WITH zero AS (
  SELECT language, val_hard + 0 AS least FROM audio_words
  WHERE arm = 'zero-shot likelihood' AND seed = '0'
), tried AS (
  SELECT place, arm, language, clips + 0 AS clips, val_hard + 0 > least AS above
  FROM audio_words JOIN zero USING (language) WHERE seed = '0' AND clips + 0
), below AS (
  SELECT arm, language, max(iif(above, 0, clips)) AS most FROM tried GROUP BY arm, language
)
SELECT arm || ', tried with ' || (
    SELECT group_concat(DISTINCT clips) FROM (SELECT * FROM tried ORDER BY clips) AS t
    WHERE t.arm = tried.arm
  ) AS arm, language AS across,
  coalesce(min(iif(clips > most, clips, NULL)) || '', 'no number') AS cell
FROM tried JOIN below USING (arm, language) GROUP BY arm, language ORDER BY min(place);

-- table: audio_words_speaker
SELECT arm AS "AUC easy / hard, %", language AS across,
  spread(easy, '.1f') || ' / ' || spread(hard, '.1f') AS cell
FROM audio_words_speaker GROUP BY arm, language ORDER BY min(place);

-- table: audio_words_forgetting
SELECT arm, language AS "trained on", count(*) AS seeds, spread(easy, '.1f') AS "easy, %",
  spread(hard, '.1f') AS "hard, %"
FROM audio_words_forgetting GROUP BY arm, language ORDER BY min(place);

-- table: audio_find
SELECT arm, count(*) AS seeds, spread(ap, '.1f') AS "average precision, %",
  spread([f1, +5 db], '.1f') AS "event F1, +5 dB, %",
  spread([f1, -5 db], '.1f') AS "event F1, -5 dB, %",
  spread([held-out ap], '.1f') AS "held-out songs, composed, %",
  spread([cpu s], '.0f') AS "CPU s", digits(min(parameters + 0), ',.0f') AS parameters
FROM audio_find GROUP BY arm ORDER BY min(place);

-- table: atoms_few_shot
SELECT n AS structures, title AS model, steps, batch, nullif(rate, '0') AS rate, count(*) AS seeds,
  spread(force_300K, '.0f') AS "force, 300 K", spread(force_600K, '.0f') AS "force, 600 K",
  spread(energy_300K, '.0f') AS "energy, 300 K", spread(energy_600K, '.0f') AS "energy, 600 K",
  digits(mean(cpu_seconds), '.0f') AS "CPU s"
FROM atoms_few_shot JOIN atoms_arm USING (arm) WHERE molecules = 'acac'
GROUP BY n, arm, steps, batch ORDER BY n + 0, nr, steps + 0;

-- table: atoms_together
SELECT title AS model, steps, batch, count(*) AS seeds,
  spread(force_300K, '.0f') AS "acetylacetone, 300 K", spread(force_600K, '.0f') AS "600 K",
  spread(force_ethanol, '.0f') AS ethanol, digits(mean(cpu_seconds), '.0f') AS "CPU s"
FROM atoms_few_shot JOIN atoms_arm USING (arm) WHERE molecules = 'acac+ethanol'
GROUP BY arm, steps, batch ORDER BY nr, steps + 0;

-- table: atoms_left_out
SELECT title AS model, CASE arm WHEN 'frozen' THEN NULL ELSE n END AS "structures of acetylacetone",
  steps, count(*) AS seeds,
  spread(force_ethanol, '.0f') AS "force on ethanol, meV/A"
FROM atoms_few_shot JOIN atoms_arm USING (arm)
WHERE molecules = 'acac' AND force_ethanol IS NOT NULL AND NOT (arm = 'frozen' AND n = '10')
GROUP BY arm, n, steps ORDER BY nr, n + 0;

-- table: atoms_drift
SELECT title AS fit, steps, rate, count(*) AS seeds, spread(force_300K, '.0f') AS "force, 300 K",
  spread(force_600K, '.0f') AS "600 K", spread(force_ethanol, '.0f') AS "ethanol",
  spread(drift, '.0f') AS "drift, meV/A", spread(drift_energy, '.0f') AS "drift, meV/atom"
FROM atoms_drift JOIN atoms_arm USING (arm) GROUP BY arm, steps ORDER BY steps + 0, nr;

-- table: atoms_few_shot_rates
SELECT title AS model, steps, batch, rate, val_force AS "validation force, meV/A",
  val_energy AS "energy, meV", cpu_seconds AS "CPU s"
FROM atoms_few_shot_rates JOIN atoms_arm USING (arm)
ORDER BY nr, batch + 0 DESC, steps + 0, rate + 0;

-- table: atoms_teacher
SELECT CASE arm WHEN 'frozen' THEN 'frozen PBE model' WHEN 'lora' THEN 'LoRA, rate ' || rate
    ELSE 'all weights, rate ' || rate END AS fit,
  digits(same_force, '.0f') AS "same compounds: force, meV/A",
  digits(same_stress, '.2f') AS "stress, GPa", digits(same_energy, '.0f') AS "energy, meV/atom",
  digits(other_force, '.0f') AS "other compounds: force", digits(other_stress, '.2f') AS stress
FROM atoms_teacher ORDER BY same_force + 0 DESC;

-- table: atoms_step
SELECT batch AS structures, e3nn AS "e3nn, CPU s", ours AS "here, CPU s",
  digits((e3nn + 0.0) / ours, '.1f') AS ratio, difference AS "largest difference of forces"
FROM atoms_step ORDER BY batch + 0;

-- table: atoms_short
SELECT CASE molecules WHEN 'acac' THEN n || ' of acetylacetone' ELSE n || ' each of two molecules' END
    AS structures, title AS across,
  digits(mean(force_300K), '.0f') || ' / ' || digits(mean(force_600K), '.0f')
    || coalesce(', ethanol ' || CASE molecules WHEN 'acac' THEN NULL
      ELSE digits(mean(force_ethanol), '.0f') END, '') AS cell
FROM atoms_few_shot JOIN atoms_arm USING (arm)
GROUP BY molecules, n, arm, steps ORDER BY molecules, n + 0, nr;

-- table: what_pays
WITH way(kind, source, method) AS (VALUES
  ('simple', 'atoms', 'kernel'), ('frozen', 'atoms', 'frozen'), ('lora', 'atoms', 'lora'),
  ('full', 'atoms', 'full'),
  ('simple', 'peptides', 'ridge on residue counts, no base'),
  ('frozen', 'peptides', 'head only'), ('lora', 'peptides', 'LoRA, all layers'),
  ('full', 'peptides', 'full tuning, last four layers'),
  ('simple', 'crash', 'POD + GP'), ('lora', 'crash', 'lora'), ('full', 'crash', 'full'),
  ('simple', 'songs', 'small CNN'), ('frozen', 'songs', 'layer 1'),
  ('lora', 'songs', 'LoRA, layer 2'), ('full', 'songs', 'full, layer 4'),
  ('simple', 'words', 'MFCC and warping, one take'), ('frozen', 'words', 'zero-shot likelihood'),
  ('lora', 'words', 'LoRA likelihood'),
  ('simple', 'study', 'raw'), ('simple', 'study', 'unet'), ('simple', 'study', 'ngram'),
  ('frozen', 'study', 'block_lda'), ('frozen', 'study', 'linear'), ('frozen', 'study', 'untouched'),
  ('lora', 'study', 'lora'), ('full', 'study', 'full')
), score(nr, task, better, n, source, method, value, seconds, format) AS (
  SELECT 1, 'forces of one molecule, meV/A', 'lower', n, 'atoms', arm, force_300K, cpu_seconds, '.0f'
  FROM atoms_few_shot WHERE molecules = 'acac' AND coalesce(steps, 0) + 0 IN (0, 500, 1300)
  UNION ALL
  SELECT 2, 'retention of peptides, minutes', 'lower', n, 'peptides', method, minutes, seconds, '.2f'
  FROM peptides
  UNION ALL
  SELECT 3, 'intrusion of a new crash part, %', 'lower', shots, 'crash', method, intrusion_error,
    cpu_seconds, '.1f'
  FROM crash_suite WHERE stage = 'transfer'
  UNION ALL
  SELECT 4, 'songs of a bird, precision %', 'higher', '5', 'songs', arm, AP, [CPU s], '.0f'
  FROM audio_find WHERE seed = '0'
  UNION ALL
  SELECT 5, 'words of a new language (Spanish), AUC %', 'higher', '25', 'words', arm, hard,
    train_cpu_s, '.1f'
  FROM audio_words WHERE language = 'es' AND clips IN ('0', '25')
  UNION ALL
  SELECT instr('photos mni pneumonia noise lesions manual', task) + 10,
    CASE task WHEN 'photos' THEN 'crops of photographs, accuracy'
      WHEN 'mni' THEN 'planes of a brain, accuracy'
      WHEN 'pneumonia' THEN 'chest X-rays, accuracy'
      WHEN 'noise' THEN 'kinds of seismic noise, accuracy'
      WHEN 'lesions' THEN 'outlines of lesions, Dice' ELSE 'text of a manual, nats' END,
    iif(task = 'manual', 'lower', 'higher'), n, 'study', method, score, seconds, '.3f'
  FROM study_summary WHERE base = 'real' AND n IN ('4', '8', '16', '24', '64', '160', '216', '256',
    '512', '640') AND task IN ('photos', 'mni', 'pneumonia', 'noise', 'lesions', 'manual')
), cell(nr, task, better, n, kind, value, seconds, format) AS (
  SELECT nr, task, better, n, kind, avg(value), avg(seconds), format
  FROM score JOIN way USING (source, method) WHERE value <> '' GROUP BY nr, n, kind
)
SELECT task, better, n AS examples,
  digits(max(value) FILTER (WHERE kind = 'simple'), format) AS "simple, no base",
  digits(max(value) FILTER (WHERE kind = 'frozen'), format) AS "frozen base",
  digits(max(value) FILTER (WHERE kind = 'lora'), format) AS LoRA,
  digits(max(value) FILTER (WHERE kind = 'full'), format) AS "all weights",
  digits(max(seconds) FILTER (WHERE kind = 'lora'), '.0f') AS "LoRA, CPU s"
FROM cell GROUP BY nr, n HAVING count(*) FILTER (WHERE kind = 'lora') ORDER BY nr, n + 0;

-- table: peptides
SELECT method, max(trained) AS trained, n || ' references' AS across, spread(minutes, '.2f') AS cell
FROM peptides GROUP BY method, n ORDER BY min(place), n + 0;

-- table: peptides_rates
SELECT method, n AS "references", rate, steps, minutes AS "validation, minutes",
  iif([at the end] = 'True', 'yes', NULL) AS "best at the last step"
FROM peptides_rates ORDER BY place;
