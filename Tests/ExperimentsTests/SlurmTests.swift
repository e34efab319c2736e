import Configuration
import Datasets
import Foundation
import Synchronization
import Testing

@testable import Experiments

/// Slurm's commands as they once answered on the test cluster (Tests/slurm-cluster, Slurm 22.05.8).
private enum Said {
  static let configuration = """
    Configuration data as of 2026-11-27T13:41:15
    AccountingStorageType   = accounting_storage/none
    KillWait                = 5 sec
    MaxArraySize            = 101
    MaxJobCount             = 10000
    SchedulerParameters     = batch_sched_delay=0,sched_interval=1,sched_min_interval=0,default_queue_depth=1000
    SLURM_VERSION           = 22.05.8

    Slurmctld(primary) at vm is UP
    """
  /// One task requeued, one cancelled, three running, and an earlier array that has ended.
  static let queue = """
    7|2|CANCELLED|JobArrayTaskLimit|simengine /data/slurm/w d%x/a.sh
    1|4|COMPLETED|None|simengine /data/slurm/w d%x/a.sh
    1|2|COMPLETED|JobArrayTaskLimit|simengine /data/slurm/w d%x/a.sh
    7|1|PENDING|BeginTime|simengine /data/slurm/w d%x/a.sh
    7|4|RUNNING|None|simengine /data/slurm/w d%x/a.sh
    7|5|RUNNING|None|simengine /data/slurm/w d%x/a.sh
    7|3|RUNNING|JobArrayTaskLimit|simengine /data/slurm/w d%x/a.sh
    """
  static let noAccounting = "Slurm accounting storage is disabled"
  static let noAssociations = "Only 'accounting_storage/slurmdbd' is supported."
  static let noController =
    "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
  static let noPartition = "sbatch: error: Batch job submission failed: Invalid partition name specified"
  /// slurm_strerror of ESLURM_ACCOUNTING_POLICY.
  static let fullQueue =
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
}

/// A Slurm that answers what it is told to, call by call, and keeps what it was asked.
private final class Actor: Sendable {
  private let state = Mutex<(answers: [String: [ChildProcess.Result]], calls: [String], slept: Double)>(([:], [], 0))

  /// The next answers of a command; the last one stays.
  func answer(_ name: String, _ answers: (status: Int32, text: String)...) {
    state.withLock {
      $0.answers[name] = answers.map { status, text in
        ChildProcess.Result(
          status: status, output: status == 0 ? Array(text.utf8) : [], complaint: status == 0 ? nil : text)
      }
    }
  }

  var calls: [String] { state.withLock { $0.calls } }
  var slept: Double { state.withLock { $0.slept } }

  var commands: SlurmCommands {
    SlurmCommands(
      run: { name, arguments in
        self.state.withLock {
          $0.calls.append(name)
          guard let answers = $0.answers[name], let first = answers.first else {
            return ChildProcess.Result(status: -1, isMissing: true)
          }
          if answers.count > 1 { $0.answers[name]?.removeFirst() }
          return first
        }
      },
      wait: { seconds in
        self.state.withLock { $0.slept += seconds }
        return true
      }, now: { self.slept })
  }
}

@Suite("Slurm: what the cluster says")
struct SlurmAnswersTests {
  @Test("the limits are read from scontrol show config; indices stay below MaxArraySize")
  func limits() {
    let limits = SlurmLimits(configuration: Said.configuration)
    #expect(limits.arrayIndexBound == 101 && limits.largestArray == 100)
    #expect(limits.killWait == 5 && limits.version == "22.05.8" && limits.arrayTasks == nil)
    let more = SlurmLimits(
      configuration: "SchedulerParameters = bf_interval=30,max_array_tasks=50,x\nMaxArraySize = 4001")
    #expect(more.arrayTasks == 50 && more.largestArray == 50)
    #expect(SlurmLimits().largestArray == 1000, "Slurm's default where the site says nothing")
    #expect(SlurmLimits(configuration: "nonsense\n= \n===\nMaxArraySize = many").arrayIndexBound == nil)
  }

  @Test("the widest of the user's associations counts, the narrowest of its numbers; one without a limit is none")
  func associations() {
    func limit(_ text: String) -> Int? {
      var limits = SlurmLimits()
      limits.readAssociations(text)
      return limits.submittedJobs
    }
    #expect(limit("500|2000\n") == 500)
    #expect(limit("500|\n|900\n") == 900)
    #expect(limit("500|\n|\n") == nil)
    #expect(limit("") == nil)
  }

  @Test("a cluster without accounting has the limits of its configuration; without Slurm there is a sentence")
  func asking() throws {
    let actor = Actor()
    actor.answer("scontrol", (0, Said.configuration))
    actor.answer("sacctmgr", (1, Said.noAssociations))
    #expect(try SlurmLimits(actor.commands).largestArray == 100)
    do {
      _ = try SlurmLimits(Actor().commands)
      Issue.record("was answered")
    } catch {
      #expect("\(error)".contains("scontrol: not found; --slurm needs sbatch") && "\(error)".contains("slurm-client"))
    }
  }

  @Test("squeue's lines are tasks that live or have ended; other lines are passed over")
  func queue() {
    let queue = SlurmQueue(Said.queue + "\nslurm_load_jobs error: something\n\n|||\n8|[1-5]|PENDING|Priority|other\n")
    #expect(queue.tasks.count == 8)
    let array = SlurmSubmission.Array(tasks: 1...6, comment: "simengine /data/slurm/w d%x/a.sh", job: "7")
    #expect(queue.tasks(of: array).filter(\.isAlive).map(\.index) == [1, 4, 5, 3])
    #expect(queue.tasks.last?.index == nil, "an array that is not taken apart")
    var submission = SlurmSubmission(number: 1, name: "a", tasks: 9, points: [], arrays: [array])
    #expect(queue.aliveTasks(of: submission) == [1, 4, 5, 3])
    submission.arrays[0] = SlurmSubmission.Array(tasks: 4...9, comment: "other", job: nil)
    #expect(queue.aliveTasks(of: submission) == [4, 5, 6, 7, 8, 9], "found by its comment; all of it may be alive")
    #expect(SlurmQueue("7|1|SOMETHING_NEW|None|c").tasks[0].isAlive, "an unknown state is taken for life")
  }

  @Test("sacct colours reasons, and its absence is no failure")
  func accounting() {
    let actor = Actor()
    #expect(SlurmAccounting.states(of: ["7"], actor.commands).isEmpty)
    actor.answer("sacct", (1, Said.noAccounting))
    #expect(SlurmAccounting.states(of: ["7"], actor.commands).isEmpty)
    #expect(
      SlurmAccounting.states("7_1|OUT_OF_MEMORY\n7_2|CANCELLED by 1000\n7_[3-5]|PENDING\nodd\n")
        == ["7_1": "OUT_OF_MEMORY", "7_2": "CANCELLED", "7_[3-5]": "PENDING"])
  }

  @Test("a busy controller may answer later, a wrong partition will not")
  func refusals() {
    func refusal(_ text: String) -> SlurmRefusal { SlurmRefusal(command: "sbatch", complaint: text) }
    #expect(refusal(Said.noController).isPassing && !refusal(Said.noPartition).isPassing)
    #expect(refusal("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation").isPassing)
    #expect(refusal(Said.fullQueue).isFullQueue && !refusal(Said.noPartition).isFullQueue)
    #expect(
      refusal(Said.noPartition).description
        == "sbatch failed: Batch job submission failed: Invalid partition name specified")
  }

  @Test("times are read as Slurm reads them")
  func times() {
    for (text, seconds) in [
      ("90", 5400), ("90:30", 5430), ("1:30:00", 5400), ("1-12", 129_600), ("1-12:30", 131_400), ("0-0:0:5", 5),
    ] { #expect(SlurmOptions.seconds(text) == Double(seconds), "\(text)") }
    for text in ["", "0", "x", "1h", "-1", "1-2-3", "1:2:3:4", "1:", "99999999999999999999"] {
      #expect(SlurmOptions.seconds(text) == nil, "\(text)")
    }
  }

  @Test(
    "options of sbatch that the sweep sets itself, and what is no option, are refused with a sentence",
    arguments: [
      ("array=1-3", "--array-size"), ("output=x", "the sweep sets it itself"), ("partition=x", "give --partition"),
      ("wrap=ls", "the sweep sets it itself"), ("parsable", "command line"), ("--account=x", "expected KEY=VALUE"),
      ("=x", "expected KEY=VALUE"), ("", "expected KEY=VALUE"), ("account=a\nrm", "more than one line"),
    ])
  func options(text: String, part: String) throws {
    var options = SlurmOptions()
    do {
      try options.add(text)
      Issue.record("was accepted")
    } catch { #expect("\(error)".contains(part), "\(error)") }
    try options.add("account=physics")
    try options.add("exclusive")
    #expect(throws: Refusal.self) { try options.add("account=biology") }
    #expect(options.more.map(\.key) == ["account", "exclusive"] && options.more[1].value == nil)
  }
}

@Suite("Slurm: what is submitted")
struct SlurmSubmissionTests {
  @Test("a task takes what fills its time on all its cores; arrays split at the site's limit")
  func packing() {
    let tiny = SlurmPacking(points: 10_000, secondsPerPoint: 1, jobs: 1, taskTime: 900, arraySize: 1000)
    #expect(tiny.tasks == 12 && tiny.pointsPerTask == 834 && tiny.arrays == [1...12])
    #expect(tiny.description == "10,000 points in 12 tasks of up to 834, about 13 min 54 s each; 1 array")
    let long = SlurmPacking(points: 2500, secondsPerPoint: 4000, jobs: 1, taskTime: 900, arraySize: 1000)
    #expect(long.tasks == 2500 && long.arrays == [1...1000, 1001...2000, 2001...2500])
    let wide = SlurmPacking(points: 100, secondsPerPoint: 4000, jobs: 8, taskTime: 900, arraySize: 1000)
    #expect(wide.tasks == 13 && wide.pointsPerTask == 8, "every core of a task has a point")
    let limited = SlurmPacking(
      points: 1000, secondsPerPoint: 60, jobs: 1, taskTime: 3600, timeLimit: 1200, arraySize: 1000)
    #expect(limited.pointsPerTask == 10, "half of the time limit")
    let unknown = SlurmPacking(points: 7, secondsPerPoint: nil, jobs: 2, taskTime: 900, arraySize: 1)
    #expect(unknown.tasks == 4 && unknown.arrays == [1...1, 2...2, 3...3, 4...4] && unknown.taskSeconds == nil)
  }

  @Test("every point is in exactly one task, and every task in exactly one array")
  func partition() {
    for points in [1, 2, 3, 7, 64, 199, 1000] {
      for jobs in [1, 2, 3, 16] {
        for (seconds, size) in [(0.001, 1000), (1, 7), (30, 1), (450, 100), (5000, 1000)] {
          let p = SlurmPacking(points: points, secondsPerPoint: seconds, jobs: jobs, taskTime: 900, arraySize: size)
          #expect(p.arrays.flatMap(Array.init) == Array(1...p.tasks))
          #expect(p.arrays.allSatisfy { $0.count <= size })
          let s = SlurmSubmission(
            number: 1, name: "a", tasks: p.tasks, points: (0..<points).map { "\($0)" }, arrays: [])
          let shares = (1...p.tasks).map { s.points(of: $0) }
          #expect(Set(shares.joined()).count == points && shares.map(\.count).reduce(0, +) == points)
          #expect(shares.allSatisfy { (1...p.pointsPerTask).contains($0.count) })
        }
      }
    }
  }

  private func script(
    _ folder: String, _ array: ClosedRange<Int>, threads: Int = 1, options: SlurmOptions = SlurmOptions()
  ) -> SlurmScript {
    SlurmScript(
      folder: folder, number: 2, array: array, tasks: 30, name: "wires", options: options, executable: "/opt/simengine",
      cpusPerTask: 4, threads: threads, arguments: ["--keep", "figures"])
  }

  @Test("the script holds what was asked for, and the engine is its process")
  func text() throws {
    var options = SlurmOptions()
    (options.partition, options.time, options.maxRunning) = ("long", "2:00:00", 5)
    try options.add("mem=4G")
    try options.add("exclusive")
    let text = script("/data/wires", 1...20, options: options).text
    #expect(
      text == """
        #!/bin/sh
        # Tasks 1 to 20 of 30, made by simengine sweep --slurm. sbatch submits them by hand as well.
        #SBATCH --job-name=wires
        #SBATCH --comment="simengine /data/wires/slurm/2-1.sh"
        #SBATCH --array=1-20%5
        #SBATCH --partition=long
        #SBATCH --time=2:00:00
        #SBATCH --cpus-per-task=4
        #SBATCH --requeue
        #SBATCH --open-mode=append
        #SBATCH --signal=B:USR1@120
        #SBATCH --output=/data/wires/slurm/2-1.%a.log
        #SBATCH --chdir=/data/wires
        #SBATCH --mem=4G
        #SBATCH --exclusive
        exec /opt/simengine sweep /data/wires --only @/data/wires/slurm/2.points \
        --shard "$SLURM_ARRAY_TASK_ID/30" --jobs "$SLURM_CPUS_PER_TASK" --threads 1 --keep figures --resume

        """)
    let second = script("/data/wires", 21...30, threads: 2).text
    #expect(second.contains("--array=1-10\n"), "each array counts from 1")
    #expect(second.contains("\"$((SLURM_ARRAY_TASK_ID + 20))/30\" --jobs \"$((SLURM_CPUS_PER_TASK / 2))\" --threads 2"))
  }

  @Test("folders with spaces, quotes and percent signs stay whole")
  func quoting() {
    let text = script("/data/a b/50% \"c\"'s", 1...2).text
    #expect(text.contains("#SBATCH --output=\"/data/a b/50%% \\\"c\\\"'s/slurm/2-1.%a.log\""))
    #expect(text.contains("sweep '/data/a b/50% \"c\"'\\''s' --only"))
  }

  @Test("the warning comes before a short time limit, too")
  func warning() {
    var options = SlurmOptions()
    options.time = "1"
    #expect(script("/d", 1...2, options: options).text.contains("--signal=B:USR1@12\n"))
  }

  @Test("a submission is read as it was written; a damaged one is none")
  func record() throws {
    let bench = try Bench()
    try DurableFile.makeFolders(bench.folder + "/slurm")
    let submission = SlurmSubmission(
      number: 3, name: "wires", tasks: 2, points: ["aa", "bb", "cc"],
      arrays: [
        SlurmSubmission.Array(tasks: 1...1, comment: "simengine a", job: "12"),
        SlurmSubmission.Array(tasks: 2...2, comment: "simengine b", job: nil),
      ])
    try submission.writePoints(to: bench.folder)
    try submission.write(to: bench.folder)
    #expect(SlurmSubmission(folder: bench.folder, number: 3) == submission)
    #expect(SlurmSubmission.numbers(in: bench.folder) == [3])
    try bench.write("{ \"name\": ", "slurm/3.json")
    #expect(SlurmSubmission(folder: bench.folder, number: 3) == nil)
  }
}

@Suite("Slurm: submitting and following")
struct SlurmSweepTests {
  /// Four circuits; a cluster that answers what it is told.
  private struct Setting {
    let bench: Bench
    let actor = Actor()
    let folder: String

    init() throws {
      bench = try Bench()
      folder = bench.folder + "/out"
      try bench.write(
        """
        { "name": "my wires", "hardware": { "kind": "crossbar" },
          "stages": [ { "circuit": { "conductance": { "random": { "rows": 4, "columns": 4 } },
            "inputs": { "random": { "vectors": 1 } } } } ],
          "sweep": { "hardware.circuit.wireResistance": [1, 2, 3, 4] } }
        """)
      actor.answer("scontrol", (0, Said.configuration))
      actor.answer("squeue", (0, ""))
    }

    func sweep(resume: Bool = false, _ change: (inout SlurmOptions) -> Void = { _ in }) throws -> SlurmSweep {
      var options = SweepOptions()
      options.output = folder
      options.quiet = true
      options.resume = resume
      options.executable = Engine.binary ?? "/proc/self/exe"
      var slurm = SlurmOptions()
      slurm.taskTime = 1e-6
      change(&slurm)
      return try SlurmSweep(
        SweepRunner(SweepPlan(path: bench.folder + "/c.json"), options: options), options: slurm,
        commands: actor.commands)
    }

    /// Puts results where tasks would put them.
    func finish(_ points: Range<Int>) throws {
      let plan = try SweepPlan(path: bench.folder + "/c.json")
      for point in points {
        let run = "\(folder)/\(plan.points[point].id)"
        try DurableFile.makeFolders(run)
        try DurableFile.write("{}", to: run + "/config.json")
        try DurableFile.write(
          "{ \"runID\": \"\(plan.points[point].id)\", \"status\": \"done\", \"metrics\": { \"a\": \(point) }, \"timings\": { \"circuit\": 0.01 } }",
          to: run + "/result.json")
      }
    }
  }

  @Test("--detach submits every point that is missing, leaves a record, and nothing is submitted twice")
  func detached() throws {
    let setting = try Setting()
    try setting.finish(0..<1)
    setting.actor.answer("sbatch", (0, "41\n"))
    let outcome = try setting.sweep(resume: true) { $0.detaches = true }.run()
    #expect(outcome.sweep.left == 3 && outcome.note?.contains("job 41") == true)
    let submission = try #require(SlurmSubmission(folder: setting.folder, number: 1))
    #expect(submission.tasks == 3 && submission.points.count == 3 && submission.arrays[0].job == "41")
    let script = try String(contentsOfFile: setting.folder + "/slurm/1-1.sh", encoding: .utf8)
    #expect(script.contains("--array=1-3\n") && script.contains("--job-name=my-wires\n"))
    // Two of its tasks live, one was cancelled: its point alone is submitted again.
    setting.actor.answer(
      "squeue",
      (0, "41|1|RUNNING|None|\(submission.arrays[0].comment)\n41|3|PENDING|Resources|x\n41|2|CANCELLED|None|x\n"))
    setting.actor.answer("sbatch", (0, "42\n"))
    _ = try setting.sweep(resume: true) { $0.detaches = true }.run()
    let second = try #require(SlurmSubmission(folder: setting.folder, number: 2))
    #expect(second.points == [submission.points[1]])
  }

  @Test("a limit of time reaches tasks in words that they read", arguments: ["90", "0.5", "50h", "100d", "100000"])
  func timeLimit(text: String) throws {
    var options = SweepOptions()
    options.timeLimit = try #require(SweepOptions.seconds(text))
    let words = options.passedOn
    let place = try #require(words.firstIndex(of: "--time-limit"))
    #expect(SweepOptions.seconds(words[place + 1]) == options.timeLimit)
  }

  @Test("a follower shares the folder with its tasks, a single one too, and with no whole sweep or second follower")
  func locks() throws {
    let bench = try Bench()
    let follower = try SweepLock(follower: bench.folder)
    let only = try SweepLock(folder: bench.folder, shard: SweepShard("1/1"))
    #expect(throws: Refusal.self) { try SweepLock(folder: bench.folder, shard: SweepShard("1/1")) }
    #expect(throws: Refusal.self) { try SweepLock(folder: bench.folder, shard: nil) }
    #expect(throws: Refusal.self) { try SweepLock(follower: bench.folder) }
    // The first task of three of one submission is another than that of the next.
    let first = try SweepLock(folder: bench.folder, shard: SweepShard("1/3"), of: ["a", "b", "c"])
    let second = try SweepLock(folder: bench.folder, shard: SweepShard("1/3"), of: ["d", "e", "f"])
    #expect(throws: Refusal.self) {
      try SweepLock(folder: bench.folder, shard: SweepShard("1/3"), of: ["d", "e", "f"])
    }
    for lock in [first, second, only, follower] { lock.release() }
    #expect(try FileManager.default.contentsOfDirectory(atPath: bench.folder).allSatisfy { !$0.hasSuffix(".lock") })
    try SweepLock(folder: bench.folder, shard: nil).release()
  }

  @Test("a sweep that was begun wants --resume; one that is done submits nothing")
  func begun() throws {
    let setting = try Setting()
    setting.actor.answer("sbatch", (0, "41\n"))
    _ = try setting.sweep { $0.detaches = true }.run()
    #expect(throws: Refusal.self) { try setting.sweep { $0.detaches = true }.run() }
    try setting.finish(0..<4)
    let calls = setting.actor.calls.count { $0 == "sbatch" }
    let outcome = try setting.sweep(resume: true).run()
    #expect(outcome.sweep.done == 4 && outcome.note == nil)
    #expect(setting.actor.calls.count { $0 == "sbatch" } == calls)
    let summary = try CSV.read(setting.folder + "/summary.csv")
    #expect(summary.rows.count == 4)
  }

  @Test("sbatch that times out is called again only when the queue has answered that it did not come through")
  func retries() throws {
    let setting = try Setting()
    setting.actor.answer("sbatch", (1, Said.noController), (1, Said.noController), (0, "43\n"))
    // The queue before; no answer; nothing there; nothing there.
    setting.actor.answer("squeue", (0, ""), (1, Said.noController), (0, ""), (0, ""))
    _ = try setting.sweep { $0.detaches = true }.run()
    #expect(setting.actor.calls.count { $0 == "sbatch" } == 3)
    #expect(SlurmSubmission(folder: setting.folder, number: 1)?.arrays[0].job == "43")
    #expect(setting.actor.slept >= 1 + 2 + 4)
  }

  @Test("a job that came through although sbatch said otherwise is found by its comment")
  func found() throws {
    let setting = try Setting()
    setting.actor.answer("sbatch", (1, Said.noController))
    let comment = "simengine \(SlurmSweep.absolute(setting.bench.folder))/out/slurm/1-1.sh"
    setting.actor.answer("squeue", (0, ""), (0, "44|1|PENDING|None|\(comment)\n"))
    _ = try setting.sweep { $0.detaches = true }.run()
    #expect(setting.actor.calls.count { $0 == "sbatch" } == 1)
    #expect(SlurmSubmission(folder: setting.folder, number: 1)?.arrays[0].job == "44")
  }

  @Test("what Slurm does not want is told in its own words, and leaves no submission behind")
  func unwanted() throws {
    let setting = try Setting()
    setting.actor.answer("sbatch", (1, Said.noPartition))
    do {
      _ = try setting.sweep().run()
      Issue.record("was accepted")
    } catch { #expect("\(error)".contains("Invalid partition name specified")) }
    #expect(SlurmSubmission.numbers(in: setting.folder).isEmpty)
    #expect(!SweepPlan.lies(in: setting.folder), "the next try needs no --resume")
    #expect(setting.actor.calls.count { $0 == "sbatch" } == 1)
  }

  @Test("arrays that the queue has no room for are submitted when it has; points that nobody will run are told")
  func fullQueue() throws {
    let setting = try Setting()
    setting.actor.answer("sbatch", (0, "51\n"), (1, Said.fullQueue), (0, "52\n"))
    let outcome = try setting.sweep {
      $0.arraySize = 2
    }.run()
    let submission = try #require(SlurmSubmission(folder: setting.folder, number: 1))
    #expect(submission.arrays.map(\.job) == ["51", "52"])
    #expect(outcome.sweep.left == 4 && outcome.note?.contains("4 points are missing") == true)
    #expect(
      outcome.note?.contains("51_1, 51_2, 52_1, 52_2: not in the queue any more") == true, "\(outcome.note ?? "")")
  }

  @Test("the preview prints the script, needs no Slurm and writes nothing")
  func preview() throws {
    let setting = try Setting()
    setting.actor.answer("scontrol", (1, "not here"))
    let text = try setting.sweep { $0.arraySize = 1 }.preview()
    #expect(text.contains("4 points in 4 tasks") && text.contains("4 arrays") && text.contains("… 2 more like it"))
    #expect(text.contains("Slurm's default") && text.contains("slurm/1-4.sh\n#!/bin/sh"))
    #expect(!FileManager.default.fileExists(atPath: setting.folder))
  }

  @Test("a task that runs out of time asks to be started again, but not for ever")
  func outOfTime() {
    let actor = Actor()
    func say(_ variables: [String: String]) -> String? { SlurmTask.requeue(actor.commands) { variables[$0] } }
    #expect(say([:]) == nil && actor.calls.isEmpty, "outside of a job")
    let task = ["SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"]
    actor.answer("scontrol", (0, ""))
    #expect(say(task)?.contains("7_3 goes on") == true)
    actor.answer("scontrol", (1, "slurm_requeue error: Requested operation is presently disabled"))
    #expect(say(task)?.contains("presently disabled") == true)
    #expect(say(task.merging(["SLURM_RESTART_COUNT": "20"]) { $1 })?.contains("restarted 20 times") == true)
  }

  @Test("cores, jobs and threads that contradict each other are refused")
  func contradictions() throws {
    let setting = try Setting()
    func sentence(jobs: Int? = nil, threads: Int? = nil, _ change: (inout SlurmOptions) -> Void) throws -> String {
      var options = SweepOptions()
      (options.jobs, options.threads, options.output) = (jobs, threads, setting.folder)
      var slurm = SlurmOptions()
      change(&slurm)
      let runner = try SweepRunner(SweepPlan(path: setting.bench.folder + "/c.json"), options: options)
      do { return "\(try SlurmSweep(runner, options: slurm).jobs)" } catch { return "\(error)" }
    }
    #expect(try sentence(threads: 4) { $0.cpusPerTask = 2 }.contains("more than --cpus-per-task 2"))
    #expect(try sentence(jobs: 3) { $0.cpusPerTask = 2 }.contains("leave --jobs out"))
    #expect(try sentence { $0.cpusPerTask = 300 }.contains("300 runs at a time in one task are more than 256"))
    #expect(try sentence(threads: 2) { $0.cpusPerTask = 300 } == "150")
    #expect(try sentence { $0.time = "1h" }.contains("--time 1h: expected minutes"))
    #expect(try sentence(jobs: 3, threads: 2) { _ in } == "3")
    #expect(try sentence(threads: 2) { $0.cpusPerTask = 8 } == "4")
  }
}
