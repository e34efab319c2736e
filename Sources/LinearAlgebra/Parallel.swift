import CKernels
import Glibc
import Synchronization

/// The engine's only concurrency: a pool of threads that shares out the items of a loop.
///
/// OpenBLAS itself runs on one thread (its own threads spin and collapse when the cores are shared); the batch is cut
/// into pieces and the pieces are spread here. Which thread takes which item is left to chance, so an item may depend
/// on its index only, never on the worker: that is what makes a result the same for any number of threads. `worker`
/// names scratch memory, nothing else.
///
/// No heap allocation happens in `run`, so a training step can be free of them.
///
/// A thread that waits looks for work for some tens of microseconds before it sleeps: waking a sleeping thread costs
/// as much, several times a training step, while on a machine whose cores are taken no more than that is wasted.
public final class ThreadPool: @unchecked Sendable {
  /// Number of threads that work, the caller's included.
  public let threads: Int

  /// A loop body without a captured context that would have to be allocated: the context is passed by address.
  public typealias Task = @convention(c) (_ context: UnsafeMutableRawPointer, _ item: Int, _ worker: Int) -> Void

  private struct State {
    var mutex = pthread_mutex_t()
    var wake = pthread_cond_t()
    var done = pthread_cond_t()
    var generation = 0
    var next = 0
    var count = 0
    var busy = 0
    var stopping = false
    var task: Task?
    var context: UnsafeMutableRawPointer?
  }

  /// What a waiting thread looks at without the mutex: the state's generation, and the last one that was completed.
  private final class Signals: Sendable {
    let generation = Atomic<Int>(0)
    let completed = Atomic<Int>(0)
  }

  private let state: UnsafeMutablePointer<State>
  private let signals = Signals()
  private var handles: [pthread_t] = []

  private final class Start {
    let state: UnsafeMutablePointer<State>
    let signals: Signals
    let worker: Int
    init(_ state: UnsafeMutablePointer<State>, _ signals: Signals, _ worker: Int) {
      self.state = state
      self.signals = signals
      self.worker = worker
    }
  }

  /// - Parameter threads: at least 1; 1 starts no thread at all.
  public init(threads: Int) {
    precondition(threads >= 1)
    BLAS.useOneThread()
    self.threads = threads
    state = .allocate(capacity: 1)
    state.initialize(to: State())
    pthread_mutex_init(&state.pointee.mutex, nil)
    pthread_cond_init(&state.pointee.wake, nil)
    pthread_cond_init(&state.pointee.done, nil)
    for worker in 1..<max(threads, 1) {
      var handle = pthread_t()
      let start = Unmanaged.passRetained(Start(state, signals, worker))
      // LAPACK's recursive routines want more than the default stack of a thread in a small container.
      var attributes = pthread_attr_t()
      pthread_attr_init(&attributes)
      pthread_attr_setstacksize(&attributes, 8 << 20)
      let status = pthread_create(&handle, &attributes, { ThreadPool.work($0!) }, start.toOpaque())
      pthread_attr_destroy(&attributes)
      precondition(status == 0, "cannot start a thread: \(String(cString: strerror(status)))")
      handles.append(handle)
    }
  }

  deinit {
    pthread_mutex_lock(&state.pointee.mutex)
    state.pointee.stopping = true
    signals.generation.store(-1, ordering: .releasing)
    pthread_cond_broadcast(&state.pointee.wake)
    pthread_mutex_unlock(&state.pointee.mutex)
    for handle in handles { pthread_join(handle, nil) }
    pthread_mutex_destroy(&state.pointee.mutex)
    pthread_cond_destroy(&state.pointee.wake)
    pthread_cond_destroy(&state.pointee.done)
    state.deallocate()
  }

  /// Looks for some 50 µs whether `isReady` has become true.
  @inline(__always)
  private static func spin(until isReady: () -> Bool) {
    for _ in 0..<1500 {
      if isReady() { return }
      ckPause()
    }
  }

  private static func work(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
    let s = start.state
    let signals = start.signals
    let worker = start.worker
    var seen = 0
    pthread_mutex_lock(&s.pointee.mutex)
    while true {
      if s.pointee.generation == seen && !s.pointee.stopping {
        pthread_mutex_unlock(&s.pointee.mutex)
        spin { signals.generation.load(ordering: .acquiring) != seen }
        pthread_mutex_lock(&s.pointee.mutex)
      }
      while s.pointee.generation == seen && !s.pointee.stopping {
        pthread_cond_wait(&s.pointee.wake, &s.pointee.mutex)
      }
      if s.pointee.stopping { break }
      seen = s.pointee.generation
      takeItems(s, signals, worker)
    }
    pthread_mutex_unlock(&s.pointee.mutex)
    return nil
  }

  /// Takes items until none is left. Called, and returns, with the mutex held.
  private static func takeItems(_ s: UnsafeMutablePointer<State>, _ signals: Signals, _ worker: Int) {
    guard let task = s.pointee.task, let context = s.pointee.context else { return }
    s.pointee.busy += 1
    while s.pointee.next < s.pointee.count {
      let item = s.pointee.next
      s.pointee.next += 1
      pthread_mutex_unlock(&s.pointee.mutex)
      task(context, item, worker)
      pthread_mutex_lock(&s.pointee.mutex)
    }
    s.pointee.busy -= 1
    if s.pointee.busy == 0 {
      signals.completed.store(s.pointee.generation, ordering: .releasing)
      pthread_cond_signal(&s.pointee.done)
    }
  }

  /// Runs `task` for every item in 0..<count and returns when all are done. Not reentrant: a task must not call `run`
  /// on the same pool.
  public func run(count: Int, context: UnsafeMutableRawPointer, task: Task) {
    if threads == 1 || count <= 1 {
      for item in 0..<count { task(context, item, 0) }
      return
    }
    pthread_mutex_lock(&state.pointee.mutex)
    precondition(state.pointee.task == nil, "a loop body may not start a parallel loop on the same pool")
    state.pointee.task = task
    state.pointee.context = context
    state.pointee.count = count
    state.pointee.next = 0
    state.pointee.generation += 1
    let generation = state.pointee.generation
    signals.generation.store(generation, ordering: .releasing)
    pthread_cond_broadcast(&state.pointee.wake)
    ThreadPool.takeItems(state, signals, 0)
    if state.pointee.busy > 0 {
      pthread_mutex_unlock(&state.pointee.mutex)
      ThreadPool.spin { signals.completed.load(ordering: .acquiring) == generation }
      pthread_mutex_lock(&state.pointee.mutex)
    }
    while state.pointee.busy > 0 || state.pointee.next < state.pointee.count {
      pthread_cond_wait(&state.pointee.done, &state.pointee.mutex)
    }
    state.pointee.task = nil
    state.pointee.context = nil
    pthread_mutex_unlock(&state.pointee.mutex)
  }

  /// Runs `body(item, worker)` for every item in 0..<count and returns when all are done.
  ///
  /// The body may write to memory that the others do not touch. Use it from one thread at a time.
  public func parallelFor(_ count: Int, _ body: (_ item: Int, _ worker: Int) -> Void) {
    typealias Body = (Int, Int) -> Void
    if threads == 1 || count <= 1 {
      for item in 0..<count { body(item, 0) }
      return
    }
    withoutActuallyEscaping(body) { escaping in
      var copy: Body = escaping
      withUnsafeMutablePointer(to: &copy) { pointer in
        run(count: count, context: UnsafeMutableRawPointer(pointer)) { context, item, worker in
          context.assumingMemoryBound(to: Body.self).pointee(item, worker)
        }
      }
    }
  }
}
